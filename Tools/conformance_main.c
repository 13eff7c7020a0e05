// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs the conformance checks without Swift: Tools/test-arm64.sh builds this for the emulator. The arguments choose
// checks by a part of their name; without any, all run.

#include <stdio.h>
#include <string.h>

#include "idefics_conformance.h"

static int is_wanted(const char *name, int count, char **parts) {
    for (int i = 1; i < count; i++) {
        if (strstr(name, parts[i]) != NULL) return 1;
    }
    return count < 2;
}

int main(int count, char **arguments) {
    int failures = 0, runs = 0;
    for (int isa = IDF_ISA_REFERENCE; isa <= IDF_ISA_NEON; isa++) {
        if (!idf_isa_available((idf_isa)isa)) continue;
        for (int i = 0; i < idf_conformance_count(); i++) {
            if (!is_wanted(idf_conformance_name(i), count, arguments)) continue;
            char message[512];
            const int passed = idf_conformance_run(i, (idf_isa)isa, message, sizeof message);
            printf("%s %s %s%s%s\n", passed ? "ok    " : "FAILED", idf_isa_name((idf_isa)isa), idf_conformance_name(i),
                   passed ? "" : ": ", message);
            fflush(stdout);
            failures += !passed;
            runs++;
        }
    }
    printf("%d checks, %d failed\n", runs, failures);
    return failures != 0;
}
