// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Vectors of 8 floats for the templates in ../simd: every instruction set offers these names.

#pragma once

#include <immintrin.h>

#include "../kernels.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define IDF_NAME(base) base##_avx2
#define IDF_INLINE static inline __attribute__((always_inline))

#define IDF_TILE_ROWS 6   // 6 × 2 sums, 2 of b and 1 of a: 15 of 16 registers
#define IDF_STREAM_ROWS 3  // 4 × 3 sums, 3 of x and 1 of w: 16 of 16 registers
enum {
    LANES = 8,
    BLOCK_COLUMNS = 128, // 128 × 512 floats: 256 KiB of a 512 KiB L2 cache
    STREAM_ROWS_LIMIT = 12,
};

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

IDF_INLINE __m256i v_first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
IDF_INLINE vf v_zero(void) { return _mm256_setzero_ps(); }
IDF_INLINE vf v_set(float x) { return _mm256_set1_ps(x); }
IDF_INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
IDF_INLINE vf v_load_n(const float *p, int64_t n) { return _mm256_maskload_ps(p, v_first(n)); }
IDF_INLINE void v_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
IDF_INLINE void v_store_n(float *p, vf x, int64_t n) { _mm256_maskstore_ps(p, v_first(n), x); }

IDF_INLINE __m128i v_halves_n(const uint16_t *p, int64_t n) {
    uint16_t halves[8] = {0};
    for (int64_t i = 0; i < n; i++) halves[i] = p[i];
    return _mm_loadu_si128((const __m128i *)halves);
}
IDF_INLINE vf v_bf16(__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); }
IDF_INLINE vf v_load_bf16(const uint16_t *p) { return v_bf16(_mm_loadu_si128((const __m128i *)p)); }
IDF_INLINE vf v_load_bf16_n(const uint16_t *p, int64_t n) { return v_bf16(v_halves_n(p, n)); }
IDF_INLINE vf v_load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
IDF_INLINE vf v_load_f16_n(const uint16_t *p, int64_t n) { return _mm256_cvtph_ps(v_halves_n(p, n)); }
IDF_INLINE void v_store_f16(uint16_t *p, vf x) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
/// The bits of `mask` in each 32-bit lane at p, shifted down first.
IDF_INLINE vf v_field(const void *p, int shift, uint32_t mask) {
    const vi shifted = _mm256_srl_epi32(_mm256_loadu_si256((const __m256i *)p), _mm_cvtsi32_si128(shift));
    return _mm256_cvtepi32_ps(_mm256_and_si256(shifted, _mm256_set1_epi32((int)mask)));
}
/// Values of NF4 codes in the low four bits of each lane; three choose in half a table, the fourth between halves.
IDF_INLINE vf v_nf4(vi codes) {
    const vf low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(idf_nf4_table), codes);
    const vf high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(idf_nf4_table + 8), codes);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28)));
}
/// Values of eight NF4 codes in four bytes, the high nibble of each first.
IDF_INLINE vf v_load_nf4(const uint8_t *p) {
    int bytes;
    memcpy(&bytes, p, sizeof bytes);
    return v_nf4(_mm256_srlv_epi32(_mm256_set1_epi32(bytes), _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24)));
}
/// Values of the NF4 codes in eight bytes: high nibbles are even elements, low ones odd.
IDF_INLINE void v_load_nf4_pairs(const uint8_t *p, vf *even, vf *odd) {
    const vi bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
    *even = v_nf4(_mm256_srli_epi32(bytes, 4));
    *odd = v_nf4(bytes);
}
IDF_INLINE void v_store_bf16(uint16_t *p, vf x) {
    const vi bits = _mm256_castps_si256(x), one = _mm256_set1_epi32(1);
    const vi odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
    const vi rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const vi quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const vi is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const vi result = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
    const __m128i low = _mm256_castsi256_si128(result), high = _mm256_extracti128_si256(result, 1);
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi32(low, high));
}

IDF_INLINE vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
IDF_INLINE vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
IDF_INLINE vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
IDF_INLINE vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
IDF_INLINE vf v_sqrt(vf a) { return _mm256_sqrt_ps(a); }
/// a · b + c, rounded once.
IDF_INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
/// *p · b + c, rounded once.
IDF_INLINE vf v_fma_at(const float *p, vf b, vf c) { return v_fma(v_set(*p), b, c); }
/// The larger; b when either is NaN.
IDF_INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
/// The smaller; b when either is NaN.
IDF_INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
IDF_INLINE vf v_xor(vf a, vf b) { return _mm256_xor_ps(a, b); }
IDF_INLINE vf v_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
IDF_INLINE vf v_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// a · 2^n for whole n in -126...128; the result is not subnormal.
IDF_INLINE vf v_scale_exponent(vf a, vf n) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}
IDF_INLINE vm v_less(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
IDF_INLINE vf v_select(vm mask, vf yes, vf no) { return _mm256_blendv_ps(no, yes, mask); }
/// Bit i tells whether a[i] == b[i].
IDF_INLINE unsigned v_equal_bits(vf a, vf b) { return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)); }
IDF_INLINE float v_sum(vf a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
IDF_INLINE float v_largest(vf a) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

/// The low 16 bits of each lane as bf16.
IDF_INLINE vf v_low_bf16(vf pair) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pair), 16)); }
/// The high 16 bits of each lane as bf16.
IDF_INLINE vf v_high_bf16(vf pair) {
    return _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(pair), _mm256_set1_epi32((int)0xffff0000)));
}

/// Transposes 8 × 8: 24 shuffles.
IDF_INLINE void v_transpose(vf r[8]) {
    vf s[8];
    for (int i = 0; i < 8; i += 4) {
        const vf a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
        const vf c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        s[i] = _mm256_shuffle_ps(a, c, 0x44);
        s[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        s[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        s[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x31);
    }
}
