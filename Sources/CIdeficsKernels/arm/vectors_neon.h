// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Vectors of 4 floats for the templates in ../simd: every instruction set offers these names.

#pragma once

#include <arm_neon.h>

#include "../kernels.h"

#pragma clang attribute push(__attribute__((target("neon"))), apply_to = function)

#define IDF_NAME(base) base##_neon
#define IDF_INLINE static inline __attribute__((always_inline))

#define IDF_TILE_ROWS 12   // 12 × 2 sums, 2 of b and 1 of a: 27 of 32 registers
#define IDF_STREAM_ROWS 6  // 4 × 6 sums, 6 of x and 1 of w: 31 of 32 registers
enum {
    LANES = 4,
    BLOCK_COLUMNS = 128, // 128 × 512 floats: 256 KiB of a 512 KiB L2 cache
    STREAM_ROWS_LIMIT = 12,
};

typedef float32x4_t vf;
typedef uint32x4_t vm;

IDF_INLINE vf v_zero(void) { return vdupq_n_f32(0); }
IDF_INLINE vf v_set(float x) { return vdupq_n_f32(x); }
IDF_INLINE vf v_load(const float *p) { return vld1q_f32(p); }
IDF_INLINE void v_store(float *p, vf x) { vst1q_f32(p, x); }
IDF_INLINE vf v_load_n(const float *p, int64_t n) {
    float lanes[4] = {0};
    for (int64_t i = 0; i < n; i++) lanes[i] = p[i];
    return vld1q_f32(lanes);
}
IDF_INLINE void v_store_n(float *p, vf x, int64_t n) {
    float lanes[4];
    vst1q_f32(lanes, x);
    for (int64_t i = 0; i < n; i++) p[i] = lanes[i];
}

IDF_INLINE uint16x4_t v_halves_n(const uint16_t *p, int64_t n) {
    uint16_t halves[4] = {0};
    for (int64_t i = 0; i < n; i++) halves[i] = p[i];
    return vld1_u16(halves);
}
IDF_INLINE vf v_bf16(uint16x4_t x) { return vreinterpretq_f32_u32(vshll_n_u16(x, 16)); }
IDF_INLINE vf v_f16(uint16x4_t x) { return vcvt_f32_f16(vreinterpret_f16_u16(x)); }
IDF_INLINE vf v_load_bf16(const uint16_t *p) { return v_bf16(vld1_u16(p)); }
IDF_INLINE vf v_load_bf16_n(const uint16_t *p, int64_t n) { return v_bf16(v_halves_n(p, n)); }
IDF_INLINE vf v_load_f16(const uint16_t *p) { return v_f16(vld1_u16(p)); }
IDF_INLINE vf v_load_f16_n(const uint16_t *p, int64_t n) { return v_f16(v_halves_n(p, n)); }
IDF_INLINE void v_store_f16(uint16_t *p, vf x) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
/// The bits of `mask` in each 32-bit lane at p, shifted down first.
IDF_INLINE vf v_field(const void *p, int shift, uint32_t mask) {
    const uint32x4_t shifted = vshlq_u32(vreinterpretq_u32_u8(vld1q_u8(p)), vdupq_n_s32(-shift));
    return vcvtq_f32_u32(vandq_u32(shifted, vdupq_n_u32(mask)));
}
/// Values of four NF4 codes, each four times in the bytes of its lane: the table is 64 bytes.
IDF_INLINE vf v_nf4(uint8x16_t codes) {
    const uint8x16_t byte = vreinterpretq_u8_u32(vdupq_n_u32(0x03020100));
    const uint8x16x4_t table = vld1q_u8_x4((const uint8_t *)(const void *)idf_nf4_table);
    return vreinterpretq_f32_u8(vqtbl4q_u8(table, vaddq_u8(vshlq_n_u8(codes, 2), byte)));
}
/// Values of four NF4 codes in two bytes, the high nibble of each first.
IDF_INLINE vf v_load_nf4(const uint8_t *p) {
    const uint8_t codes[4] = {p[0] >> 4, p[0] & 15, p[1] >> 4, p[1] & 15};
    uint32_t lanes;
    memcpy(&lanes, codes, sizeof lanes);
    const uint8x16_t spread = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    return v_nf4(vqtbl1q_u8(vreinterpretq_u8_u32(vdupq_n_u32(lanes)), spread));
}
/// Values of the NF4 codes in four bytes: high nibbles are even elements, low ones odd.
IDF_INLINE void v_load_nf4_pairs(const uint8_t *p, vf *even, vf *odd) {
    uint32_t lanes;
    memcpy(&lanes, p, sizeof lanes);
    const uint8x16_t spread = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    const uint8x16_t bytes = vqtbl1q_u8(vreinterpretq_u8_u32(vdupq_n_u32(lanes)), spread);
    *even = v_nf4(vshrq_n_u8(bytes, 4));
    *odd = v_nf4(vandq_u8(bytes, vdupq_n_u8(15)));
}
IDF_INLINE void v_store_bf16(uint16_t *p, vf x) {
    const uint32x4_t bits = vreinterpretq_u32_f32(x), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    vst1_u16(p, vshrn_n_u32(vbslq_u32(vceqq_f32(x, x), rounded, quiet), 16));
}

IDF_INLINE vf v_add(vf a, vf b) { return vaddq_f32(a, b); }
IDF_INLINE vf v_sub(vf a, vf b) { return vsubq_f32(a, b); }
IDF_INLINE vf v_mul(vf a, vf b) { return vmulq_f32(a, b); }
IDF_INLINE vf v_div(vf a, vf b) { return vdivq_f32(a, b); }
IDF_INLINE vf v_sqrt(vf a) { return vsqrtq_f32(a); }
/// a · b + c, rounded once.
IDF_INLINE vf v_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
/// *p · b + c, rounded once.
IDF_INLINE vf v_fma_at(const float *p, vf b, vf c) { return v_fma(v_set(*p), b, c); }
/// The larger; b when either is NaN.
IDF_INLINE vf v_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
IDF_INLINE vf v_abs(vf a) { return vabsq_f32(a); }
/// The smaller; b when either is NaN.
IDF_INLINE vf v_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
IDF_INLINE vf v_xor(vf a, vf b) {
    return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
IDF_INLINE vf v_round(vf a) { return vrndnq_f32(a); }
/// a · 2^n for whole n in -126...128; the result is not subnormal.
IDF_INLINE vf v_scale_exponent(vf a, vf n) {
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), vshlq_n_s32(vcvtq_s32_f32(n), 23)));
}
IDF_INLINE vm v_less(vf a, vf b) { return vcltq_f32(a, b); }
IDF_INLINE vf v_select(vm mask, vf yes, vf no) { return vbslq_f32(mask, yes, no); }
/// Bit i tells whether a[i] == b[i].
IDF_INLINE unsigned v_equal_bits(vf a, vf b) {
    const uint32x4_t weights = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vceqq_f32(a, b), weights));
}
IDF_INLINE float v_sum(vf a) { return vaddvq_f32(a); }
IDF_INLINE float v_largest(vf a) { return vmaxvq_f32(a); }

/// The low 16 bits of each lane as bf16.
IDF_INLINE vf v_low_bf16(vf pair) { return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(pair), 16)); }
/// The high 16 bits of each lane as bf16.
IDF_INLINE vf v_high_bf16(vf pair) {
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pair), vdupq_n_u32(0xffff0000)));
}

/// Transposes 4 × 4.
IDF_INLINE void v_transpose(vf r[4]) {
    const float32x4x2_t a = vzipq_f32(r[0], r[2]), b = vzipq_f32(r[1], r[3]);
    const float32x4x2_t c = vzipq_f32(a.val[0], b.val[0]), d = vzipq_f32(a.val[1], b.val[1]);
    r[0] = c.val[0];
    r[1] = c.val[1];
    r[2] = d.val[0];
    r[3] = d.val[1];
}
