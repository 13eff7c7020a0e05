// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// What both kinds of integer products of 256 bits share.

#pragma once

#define INTEGER_ROWS 4 // 4 × 2 sums, 2 of weights, x, a product, a mask: 13 of 16 registers
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
/// Keeps a sum in its register: the compiler would unpack a whole group first and have none left.
IDF_INLINE void i_pin(vi *sum) { __asm__ volatile("" : "+x"(*sum)); }
IDF_INLINE vi i_begin4(int32_t start) { return _mm256_set1_epi32(start); }
IDF_INLINE vf i_scales(const uint16_t *p) { return v_load_bf16(p); }
IDF_INLINE vf i_float8(vi sum) { return _mm256_cvtepi32_ps(sum); }
