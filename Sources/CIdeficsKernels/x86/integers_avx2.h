// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Integer products of AVX2 for ../simd/integer.h: without an instruction that adds four products into 32 bits.

#pragma once

#include "vectors_avx2.h"

#define INTEGER_NAME(base) base##_avx2

#include "integers_256.h"

// INT4: pairs of products are added into 16 bits, all 32 of a group: |Σ (code + 8) · x − 8 · Σ x| <= 32 · 8 · 127 < 2^15
// in the end, and until then wrapping around does no harm. The 16-bit halves become 32 bits once a group.
IDF_INLINE vi i_product4(vi sum, vi weight, vi values) {
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(weight, values));
}
IDF_INLINE vi i_dot4(vi sum, vi weight, const int8_t *x) { return i_product4(sum, weight, i_values4(x)); }
IDF_INLINE vf i_float4(vi sum) { return _mm256_cvtepi32_ps(_mm256_madd_epi16(sum, _mm256_set1_epi16(1))); }

// INT8: pairs of 16 bits, the even bytes of a lane in one part and the odd ones in the other.
IDF_INLINE vi i_begin8(int32_t start) { return _mm256_set1_epi32(start); }
IDF_INLINE vi i_between8(vi sum, int32_t start) {
    (void)start;
    return sum;
}
IDF_INLINE vi i_part8(vi codes, int part) {
    return part == 0 ? _mm256_and_si256(codes, _mm256_set1_epi16(255)) : _mm256_srli_epi16(codes, 8);
}
IDF_INLINE vi i_dot8(vi sum, vi weight, const int8_t *x) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(weight, i_values4(x)));
}

/// Stores 64 codes of x; returns what a sum with codes + 8 begins with: two halves, for steps 0, 1 and 2, 3 of four.
IDF_INLINE int32_t i_store4(int8_t *out, const int32_t *codes) {
    int32_t sums[4] = {0};
    for (int l = 0; l < IDF_GROUP; l++) {
        out[l] = (int8_t)codes[l];
        sums[l % 4] += codes[l];
    }
    const int32_t low = -8 * (sums[0] + sums[1]), high = -8 * (sums[2] + sums[3]);
    return (int32_t)(((uint32_t)low & 0xffff) | (uint32_t)high << 16);
}

/// As i_store4, with codes + 128: 16 bits of steps 0, 2 of each four, then of steps 1, 3.
IDF_INLINE int32_t i_store8(int8_t *out, const int32_t *codes) {
    int16_t parts[2][IDF_GROUP / 2];
    int32_t sum = 0;
    for (int l = 0; l < IDF_GROUP; l++) {
        parts[l % 2][l / 2] = (int16_t)codes[l];
        sum += codes[l];
    }
    memcpy(out, parts, sizeof parts);
    return -128 * sum;
}
