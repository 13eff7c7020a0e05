// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs the conformance checks in a process of their own, since they choose the instruction set and the thread count of
// the whole process. Tools/test-arm64.sh builds this for the emulator. The arguments choose checks by a part of their
// line ("avx2", "linear/bf16"); without any, all run.

#include <stdio.h>
#include <string.h>

#include "idefics_conformance.h"

static int is_wanted(const char *line, int count, char **parts) {
    for (int i = 1; i < count; i++) {
        if (strstr(line, parts[i]) != NULL) return 1;
    }
    return count < 2;
}

int main(int count, char **arguments) {
    int failures = 0, runs = 0;
    for (int isa = IDF_ISA_REFERENCE; isa < IDF_ISA_COUNT; isa++) {
        if (!idf_isa_available((idf_isa)isa)) continue;
        for (int i = 0; i < idf_conformance_count(); i++) {
            char line[128], message[512];
            snprintf(line, sizeof line, "%s %s", idf_isa_name((idf_isa)isa), idf_conformance_name(i));
            if (!is_wanted(line, count, arguments)) continue;
            // The rest was checked with the instruction set before.
            const char *name = idf_conformance_name(i);
            const int isProduct = strncmp(name, "quantized/", 10) == 0 || strncmp(name, "bf16/", 5) == 0;
            if (idf_isa_is_products_only((idf_isa)isa) && !isProduct) continue;
            const int passed = idf_conformance_run(i, (idf_isa)isa, message, sizeof message);
            printf("%s %s%s%s\n", passed ? "ok    " : "FAILED", line, passed ? "" : ": ", passed ? "" : message);
            fflush(stdout);
            failures += !passed;
            runs++;
        }
    }
    printf("%d checks, %d failed\n", runs, failures);
    return failures != 0;
}
