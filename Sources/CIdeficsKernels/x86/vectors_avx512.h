// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Vectors of 16 floats for the templates in ../simd: every instruction set offers these names.

#pragma once

#include <immintrin.h>

#include "../kernels.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)

#define IDF_NAME(base) base##_avx512
#define IDF_INLINE static inline __attribute__((always_inline))

#define IDF_TILE_ROWS 14   // 14 × 2 sums, 2 of b and 1 of a: 31 of 32 registers
#define IDF_STREAM_ROWS 6  // 4 × 6 sums, 6 of x and 1 of w: 31 of 32 registers
enum {
    LANES = 16,
    BLOCK_COLUMNS = 256, // 256 × 512 floats: 512 KiB of a 1-2 MiB L2 cache
    STREAM_ROWS_LIMIT = 16,
};

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

IDF_INLINE vm v_first(int64_t n) { return (vm)((1u << n) - 1); }
IDF_INLINE vf v_zero(void) { return _mm512_setzero_ps(); }
IDF_INLINE vf v_set(float x) { return _mm512_set1_ps(x); }
IDF_INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }
IDF_INLINE vf v_load_n(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(v_first(n), p); }
IDF_INLINE void v_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
IDF_INLINE void v_store_n(float *p, vf x, int64_t n) { _mm512_mask_storeu_ps(p, v_first(n), x); }

IDF_INLINE vf v_bf16(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
IDF_INLINE vf v_load_bf16(const uint16_t *p) { return v_bf16(_mm256_loadu_si256((const __m256i *)p)); }
IDF_INLINE vf v_load_bf16_n(const uint16_t *p, int64_t n) { return v_bf16(_mm256_maskz_loadu_epi16(v_first(n), p)); }
IDF_INLINE vf v_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
IDF_INLINE vf v_load_f16_n(const uint16_t *p, int64_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(v_first(n), p));
}
IDF_INLINE void v_store_f16(uint16_t *p, vf x) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
/// The bits of `mask` in each 32-bit lane at p, shifted down first.
IDF_INLINE vf v_field(const void *p, int shift, uint32_t mask) {
    const vi shifted = _mm512_srl_epi32(_mm512_loadu_si512(p), _mm_cvtsi32_si128(shift));
    return _mm512_cvtepi32_ps(_mm512_and_si512(shifted, _mm512_set1_epi32((int)mask)));
}
/// Values of sixteen NF4 codes in eight bytes, the high nibble of each first.
IDF_INLINE vf v_load_nf4(const uint8_t *p) {
    const vi half = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const vi shifts = _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20, 16, 28, 24);
    const vi bytes = _mm512_permutexvar_epi32(half, _mm512_castsi128_si512(_mm_loadl_epi64((const __m128i *)p)));
    return _mm512_permutexvar_ps(_mm512_srlv_epi32(bytes, shifts), _mm512_loadu_ps(idf_nf4_table));
}
/// Values of the NF4 codes in sixteen bytes: high nibbles are even elements, low ones odd.
IDF_INLINE void v_load_nf4_pairs(const uint8_t *p, vf *even, vf *odd) {
    const vi bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); // only four bits of an index count
    const vf table = _mm512_loadu_ps(idf_nf4_table);
    *even = _mm512_permutexvar_ps(_mm512_srli_epi32(bytes, 4), table);
    *odd = _mm512_permutexvar_ps(bytes, table);
}
IDF_INLINE void v_store_bf16(uint16_t *p, vf x) {
    const vi bits = _mm512_castps_si512(x), one = _mm512_set1_epi32(1);
    const vi odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    const vi rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const vi quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    const vm is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const vi result = _mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, is_nan, quiet), 16);
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(result));
}

IDF_INLINE vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
IDF_INLINE vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
IDF_INLINE vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
IDF_INLINE vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
IDF_INLINE vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
/// a · b + c, rounded once.
IDF_INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
/// *p · b + c, rounded once. The load is part of the instruction: a compiler would load once for several products, which
/// costs an instruction more and with it speed where another program shares the core.
IDF_INLINE vf v_fma_at(const float *p, vf b, vf c) {
    __asm__("vfmadd231ps %1%{1to16%}, %2, %0" : "+v"(c) : "m"(*p), "v"(b));
    return c;
}
/// The larger; b when either is NaN.
IDF_INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
/// The smaller; b when either is NaN.
IDF_INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
IDF_INLINE vf v_xor(vf a, vf b) { return _mm512_xor_ps(a, b); }
IDF_INLINE vf v_abs(vf a) { return _mm512_abs_ps(a); }
IDF_INLINE vf v_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// a · 2^n for whole n in -126...128; the result is not subnormal.
IDF_INLINE vf v_scale_exponent(vf a, vf n) {
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23)));
}
IDF_INLINE vm v_less(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
IDF_INLINE vf v_select(vm mask, vf yes, vf no) { return _mm512_mask_mov_ps(no, mask, yes); }
/// Bit i tells whether a[i] == b[i].
IDF_INLINE unsigned v_equal_bits(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
IDF_INLINE float v_sum(vf a) { return _mm512_reduce_add_ps(a); }
IDF_INLINE float v_largest(vf a) { return _mm512_reduce_max_ps(a); }

/// The low 16 bits of each lane as bf16.
IDF_INLINE vf v_low_bf16(vf pair) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pair), 16)); }
/// The high 16 bits of each lane as bf16.
IDF_INLINE vf v_high_bf16(vf pair) {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pair), _mm512_set1_epi32((int)0xffff0000)));
}

/// Transposes 16 × 16: 64 shuffles.
IDF_INLINE void v_transpose(vf r[16]) {
    vf s[16];
    for (int i = 0; i < 16; i += 4) {
        const vf a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
        const vf c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        s[i] = _mm512_shuffle_ps(a, c, 0x44);
        s[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        s[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        s[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        const vf a = _mm512_shuffle_f32x4(s[i], s[i + 4], 0x88), b = _mm512_shuffle_f32x4(s[i], s[i + 4], 0xdd);
        const vf c = _mm512_shuffle_f32x4(s[i + 8], s[i + 12], 0x88), d = _mm512_shuffle_f32x4(s[i + 8], s[i + 12], 0xdd);
        r[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}
