// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

static const check_case *const families[] = {linear_cases, quantized_cases, formats_cases, calibrated_cases, attention_cases, rows_cases, casts_cases, pool_cases, gradients_cases, dynamic_cases};
enum { FAMILIES = sizeof families / sizeof families[0] };

static const check_case *case_at(int index) {
    for (int family = 0; family < FAMILIES; family++) {
        for (const check_case *item = families[family]; item->name != NULL; item++) {
            if (index-- == 0) return item;
        }
    }
    return NULL;
}

int idf_conformance_count(void) {
    int count = 0;
    while (case_at(count) != NULL) count++;
    return count;
}

const char *idf_conformance_name(int index) {
    const check_case *item = case_at(index);
    return item != NULL ? item->name : "";
}

/// Random numbers of a check depend on its name alone: another check beside it changes nothing.
static uint64_t seed(const char *name) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *name != 0; name++) hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return hash | 1;
}

int idf_conformance_run(int index, idf_isa isa, char *message, size_t size) {
    const check_case *item = case_at(index);
    if (size > 0) message[0] = 0;
    if (item == NULL || !idf_isa_available(isa)) {
        snprintf(message, size, "no such check or instruction set");
        return 0;
    }
    check c = {.isa = isa, .message = message, .size = size, .random = seed(item->name)};
    const idf_isa isa_before = idf_isa_current();
    const int threads_before = idf_thread_count();
    item->run(&c);
    check_release(&c);
    idf_isa_select(isa_before);
    idf_set_thread_count(threads_before);
    return !c.failed;
}
