// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Integer products of 256-bit VNNI for ../simd/integer.h, on processors without AVX-512 (AVX-VNNI: Intel since 2021) and,
// as the same instruction in another encoding, on those with it, where it is tested. The file that includes this one
// has defined INTEGER_NAME and i_dpbusd and set the target.

#pragma once

#define INTEGER_ROWS 4 // 4 × 2 sums, 2 of weights, x, a mask: 12 of 16 registers
#define INTEGER_SINGLE_BLOCKS 4
#define INTEGER_PAIR_ROWS 2
enum {
    INTEGER_LANES = 8,
    INTEGER_BLOCK_COLUMNS = 128, // 128 × 512 bytes: 64 KiB, beside 256 KiB of products
    INTEGER_STREAM_ROWS = 8,
};

IDF_INLINE vi i_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
IDF_INLINE vi i_low(vi codes) { return _mm256_and_si256(codes, _mm256_set1_epi8(15)); }
IDF_INLINE vi i_high(vi codes) { return _mm256_and_si256(_mm256_srli_epi16(codes, 4), _mm256_set1_epi8(15)); }
IDF_INLINE vi i_values4(const int8_t *x) {
    int bytes;
    memcpy(&bytes, x, sizeof bytes);
    return _mm256_set1_epi32(bytes);
}
IDF_INLINE vi i_product4(vi sum, vi weight, vi values) { return i_dpbusd(sum, weight, values); }
IDF_INLINE vi i_dot4(vi sum, vi weight, const int8_t *x) { return i_product4(sum, weight, i_values4(x)); }
/// Keeps a sum in its register and the unpacking of codes near their use.
IDF_INLINE void i_pin(vi *sum) { __asm__ volatile("" : "+x"(*sum)); }
IDF_INLINE vi i_begin4(int32_t start) { return _mm256_set1_epi32(start); }
IDF_INLINE vf i_float4(vi sum) { return _mm256_cvtepi32_ps(sum); }
IDF_INLINE vf i_scales(const uint16_t *p) { return v_load_bf16(p); }

IDF_INLINE vi i_begin8(int32_t start) {
    (void)start;
    return _mm256_setzero_si256();
}
IDF_INLINE vi i_between8(vi sum, int32_t start) {
    return _mm256_add_epi32(_mm256_slli_epi32(sum, 8), _mm256_set1_epi32(start));
}
IDF_INLINE vi i_part8(vi codes, int part) {
    (void)part;
    return codes;
}
IDF_INLINE vi i_dot8(vi sum, vi weight, const int8_t *x) { return i_dot4(sum, weight, x); }
IDF_INLINE vf i_float8(vi sum) { return _mm256_cvtepi32_ps(sum); }

#include "integers_bytes.h"
