// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

uint64_t idf_limit_read_reference(const void *p, size_t bytes) {
    uint64_t sums[4] = {0}, words[4];
    size_t i = 0;
    for (; i + sizeof words <= bytes; i += sizeof words) {
        memcpy(words, (const char *)p + i, sizeof words);
        for (int j = 0; j < 4; j++) sums[j] += words[j];
    }
    for (; i < bytes; i++) sums[0] += ((const unsigned char *)p)[i];
    return sums[0] + sums[1] + sums[2] + sums[3];
}

double idf_limit_fma_reference(int64_t iterations) {
    enum { LANES = 16 };
    float sums[LANES] = {0};
    volatile float factor = 0.999f, sink;
    const float f = factor;
    for (int64_t i = 0; i < iterations; i++) {
        for (int j = 0; j < LANES; j++) sums[j] = sums[j] * f + 1;
    }
    for (int j = 0; j < LANES; j++) sink = sums[j];
    (void)sink;
    return 2.0 * LANES * (double)iterations;
}
