// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Integer products of AVX-512 VNNI for ../simd/integer.h: unsigned bytes of weights times signed bytes of x, four at a
// time, into 32 bits.

#pragma once

#include "vectors_avx512.h"

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), apply_to = function)

#define INTEGER_NAME(base) base##_vnni
#define INTEGER_ROWS 14     // 14 sums of a group, 14 of all groups, 1 of weights and 1 for scaling: 30 of 32 registers
#define INTEGER_SINGLE_BLOCKS 4
#define INTEGER_PAIR_ROWS 7 // 7 × 2 of each, with 2 of weights
enum {
    INTEGER_LANES = 16,
    INTEGER_BLOCK_COLUMNS = 256, // 256 × 512 bytes: 128 KiB, beside 512 KiB of products
    INTEGER_STREAM_ROWS = 16,
};

IDF_INLINE vi i_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
IDF_INLINE vi i_low(vi codes) { return _mm512_and_si512(codes, _mm512_set1_epi8(15)); }
IDF_INLINE vi i_high(vi codes) { return _mm512_and_si512(_mm512_srli_epi16(codes, 4), _mm512_set1_epi8(15)); }
IDF_INLINE vi i_values4(const int8_t *x) {
    int bytes;
    memcpy(&bytes, x, sizeof bytes);
    return _mm512_set1_epi32(bytes);
}
IDF_INLINE vi i_product4(vi sum, vi weight, vi values) { return _mm512_dpbusd_epi32(sum, weight, values); }
/// The load is part of the instruction, as in v_fma_at.
IDF_INLINE vi i_dot4(vi sum, vi weight, const int8_t *x) {
    __asm__("vpdpbusd %1%{1to16%}, %2, %0" : "+v"(sum) : "m"(*(const int32_t *)(const void *)x), "v"(weight));
    return sum;
}
IDF_INLINE void i_pin(vi *sum) { (void)sum; }
IDF_INLINE vi i_begin4(int32_t start) { return _mm512_set1_epi32(start); }
IDF_INLINE vf i_float4(vi sum) { return _mm512_cvtepi32_ps(sum); }
IDF_INLINE vf i_scales(const uint16_t *p) { return v_load_bf16(p); }

// x = 256 · high + low: first the high bytes, then the low ones into the shifted sum.
IDF_INLINE vi i_begin8(int32_t start) {
    (void)start;
    return _mm512_setzero_si512();
}
IDF_INLINE vi i_between8(vi sum, int32_t start) {
    return _mm512_add_epi32(_mm512_slli_epi32(sum, 8), _mm512_set1_epi32(start));
}
IDF_INLINE vi i_part8(vi codes, int part) {
    (void)part;
    return codes;
}
IDF_INLINE vi i_dot8(vi sum, vi weight, const int8_t *x) { return i_dot4(sum, weight, x); }
IDF_INLINE vf i_float8(vi sum) { return _mm512_cvtepi32_ps(sum); }

#include "integers_bytes.h"
