// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// What both kinds of integer products of arm64 share; the file that includes this one has defined vi, i_product4 and
// i_product8.

#pragma once

#if !defined(INTEGER_ROWS)
#define INTEGER_ROWS 5 // 5 × 4 sums, 4 of weights, 4 of loaded codes, x: 29 of 32 registers
#endif
#define INTEGER_SINGLE_BLOCKS 2
#define INTEGER_PAIR_ROWS 2
enum {
    INTEGER_LANES = 4,
    INTEGER_BLOCK_COLUMNS = 128, // 128 × 512 bytes: 64 KiB, beside 256 KiB of products
    INTEGER_STREAM_ROWS = 2 * INTEGER_ROWS,
};

IDF_INLINE vi i_load(const uint8_t *p) { return vreinterpretq_s32_u8(vld1q_u8(p)); }
IDF_INLINE vi i_low(vi codes) { return vandq_s32(codes, vdupq_n_s32(0x0f0f0f0f)); }
IDF_INLINE vi i_high(vi codes) { return vreinterpretq_s32_u8(vshrq_n_u8(vreinterpretq_u8_s32(codes), 4)); }
IDF_INLINE vi i_values4(const int8_t *x) { return vld1q_dup_s32((const int32_t *)(const void *)x); }
IDF_INLINE vi i_dot4(vi sum, vi weight, const int8_t *x) { return i_product4(sum, weight, i_values4(x)); }
/// Keeps a sum in its register and the unpacking of codes near their use.
IDF_INLINE void i_pin(vi *sum) { __asm__ volatile("" : "+w"(*sum)); }
IDF_INLINE vi i_begin4(int32_t start) { return vdupq_n_s32(start); }
IDF_INLINE vf i_float4(vi sum) { return vcvtq_f32_s32(sum); }
IDF_INLINE vf i_scales(const uint16_t *p) { return v_load_bf16(p); }

// x = 256 · high + low: first the high bytes, then the low ones into the shifted sum. Codes + 128 become signed, so that
// nothing has to be taken away.
IDF_INLINE vi i_begin8(int32_t start) {
    (void)start;
    return vdupq_n_s32(0);
}
IDF_INLINE vi i_between8(vi sum, int32_t start) {
    (void)start;
    return vshlq_n_s32(sum, 8);
}
IDF_INLINE vi i_part8(vi codes, int part) {
    (void)part;
    return veorq_s32(codes, vreinterpretq_s32_u8(vdupq_n_u8(128)));
}
IDF_INLINE vi i_dot8(vi sum, vi weight, const int8_t *x) { return i_product8(sum, weight, i_values4(x)); }
IDF_INLINE vf i_float8(vi sum) { return vcvtq_f32_s32(sum); }

/// Stores 64 codes of x; returns what a sum with codes + 8 begins with.
IDF_INLINE int32_t i_store4(int8_t *out, const int32_t *codes) {
    int32_t sum = 0;
    for (int l = 0; l < IDF_GROUP; l++) {
        out[l] = (int8_t)codes[l];
        sum += codes[l];
    }
    return -8 * sum;
}

/// Stores the high bytes of 64 codes, then the low ones.
IDF_INLINE int32_t i_store8(int8_t *out, const int32_t *codes) {
    for (int l = 0; l < IDF_GROUP; l++) {
        out[l] = (int8_t)((codes[l] + 128) >> 8);
        out[IDF_GROUP + l] = (int8_t)codes[l];
    }
    return 0;
}
