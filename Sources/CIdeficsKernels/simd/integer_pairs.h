// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: tiles of unpacked INT4 for instructions that multiply two rows of x with two features over eight steps
// (arm64's i8mm). Instead of unpacking to bytes in their order, `unpack` puts two features side by side, and x is put so
// too. The sums are the same integers as those of ../simd/integer.h.

#pragma once

enum {
    FEATURE_PAIRS = IDF_BLOCK_ROWS / 2, ///< sums of a block for two rows of x
    CHUNKS = IDF_GROUP / 8,             ///< of eight steps in a group
    CHUNK_BYTES = IDF_BLOCK_ROWS * 8,
    MOST_PAIRS = (INTEGER_ROWS + 1) / 2,
};

/// out: of each unit of 8 steps, eight times two features with their steps in order.
static void unpack(uint8_t *out, const uint8_t *codes, int64_t units) {
    for (int64_t i = 0; i < units; i++, codes += IDF_UNIT, out += CHUNK_BYTES) {
        for (int v = 0; v < IDF_UNIT / 16; v++) {
            const vi both = i_load(codes + 16 * v), low = i_low(both), high = i_high(both);
            vst1q_s32((int32_t *)(void *)(out + 32 * v), vzip1q_s32(low, high));
            vst1q_s32((int32_t *)(void *)(out + 32 * v + 16), vzip2q_s32(low, high));
        }
    }
}

/// Puts the codes of a panel side by side: of each group two rows of eight steps in turn, the last row of an odd number
/// as it is.
static void pair_rows(const idf_integer_rows *x, int64_t groups) {
    int8_t *codes = x->codes;
    for (int64_t g = 0; g < groups; g++, codes += x->rows * IDF_GROUP) {
        for (int64_t row = 0; row + 2 <= x->rows; row += 2) {
            int8_t *pair = codes + row * IDF_GROUP;
            int64_t first[CHUNKS], second[CHUNKS];
            memcpy(first, pair, sizeof first);
            memcpy(second, pair + IDF_GROUP, sizeof second);
            for (int i = 0; i < CHUNKS; i++) {
                memcpy(pair + 16 * i, &first[i], 8);
                memcpy(pair + 16 * i + 8, &second[i], 8);
            }
        }
    }
}

/// Rows of a panel as numbers for pairs: the second of the last is missing when they are odd.
IDF_INLINE int32x4_t both_starts(const int32_t *starts, int pair, const int rows) {
    const int32_t first = starts[2 * pair], second = 2 * pair + 1 < rows ? starts[2 * pair + 1] : 0;
    return (int32x4_t){first, second, first, second};
}
IDF_INLINE vf both_scales(const float *scales, int pair, const int rows) {
    const float first = scales[2 * pair], second = 2 * pair + 1 < rows ? scales[2 * pair + 1] : 0;
    return (vf){first, second, first, second};
}

/// One block of features; `rows` is a constant where this is inlined.
IDF_INLINE void tile_pairs_of(float *c, int64_t ldc, const uint8_t *codes, const uint16_t *scales, const idf_integer_rows *x,
                              const int rows, int64_t groups, int accumulate) {
    const int pairs = (rows + 1) / 2;
    // Lanes: feature 0 with row 0, with row 1, feature 1 with row 0, with row 1.
    vf totals[MOST_PAIRS][FEATURE_PAIRS];
#pragma clang loop unroll(full)
    for (int p = 0; p < pairs; p++) {
        for (int v = 0; v < FEATURE_PAIRS; v += 2) {
            const float *first = c + 2 * p * ldc + 2 * v;
            const vf a = accumulate ? v_load(first) : v_zero();
            const vf b = accumulate && 2 * p + 1 < rows ? v_load(first + ldc) : v_zero();
            totals[p][v] = vzip1q_f32(a, b);
            totals[p][v + 1] = vzip2q_f32(a, b);
        }
    }
    for (int64_t g = 0; g < groups; g++) {
        const int8_t *values = x->codes + g * rows * IDF_GROUP;
        int32x4_t sums[MOST_PAIRS][FEATURE_PAIRS];
#pragma clang loop unroll(full)
        for (int p = 0; p < pairs; p++) {
#pragma clang loop unroll(full)
            for (int v = 0; v < FEATURE_PAIRS; v++) sums[p][v] = both_starts(x->starts + g * rows, p, rows);
        }
        for (int i = 0; i < CHUNKS; i++, codes += CHUNK_BYTES) {
            int8x16_t two[MOST_PAIRS];
#pragma clang loop unroll(full)
            for (int p = 0; p < pairs; p++) {
                const int8_t *pair = values + 2 * p * IDF_GROUP;
                two[p] = 2 * p + 1 < rows ? vld1q_s8(pair + 16 * i) : vcombine_s8(vld1_s8(pair + 8 * i), vdup_n_s8(0));
            }
#pragma clang loop unroll(full)
            for (int v = 0; v < FEATURE_PAIRS; v++) {
                const int8x16_t weights = vreinterpretq_s8_u8(vld1q_u8(codes + 16 * v));
#pragma clang loop unroll(full)
                for (int p = 0; p < pairs; p++) sums[p][v] = vmmlaq_s32(sums[p][v], weights, two[p]);
            }
        }
        for (int v = 0; v < FEATURE_PAIRS; v += 2) {
            const vf four = v_load_bf16(scales + g * IDF_BLOCK_ROWS + 2 * v);
            const vf low = vzip1q_f32(four, four), high = vzip2q_f32(four, four);
#pragma clang loop unroll(full)
            for (int p = 0; p < pairs; p++) {
                const vf both = both_scales(x->scales + g * rows, p, rows);
                totals[p][v] = v_fma(vcvtq_f32_s32(sums[p][v]), v_mul(low, both), totals[p][v]);
                totals[p][v + 1] = v_fma(vcvtq_f32_s32(sums[p][v + 1]), v_mul(high, both), totals[p][v + 1]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int p = 0; p < pairs; p++) {
        for (int v = 0; v < FEATURE_PAIRS; v += 2) {
            float *first = c + 2 * p * ldc + 2 * v;
            v_store(first, one_nan(vuzp1q_f32(totals[p][v], totals[p][v + 1])));
            if (2 * p + 1 < rows) v_store(first + ldc, one_nan(vuzp2q_f32(totals[p][v], totals[p][v + 1])));
        }
    }
}

static void tile_pairs(float *c, int64_t ldc, const idf_integer_weight *weight, const idf_integer_rows *x, int64_t blocks,
                       int64_t groups, int accumulate) {
    for (int64_t block = 0; block < blocks; block++) {
        float *out = c + block * IDF_BLOCK_ROWS;
        const uint8_t *codes = weight->codes + block * weight->block_bytes;
        const uint16_t *scales = weight->scales + block * weight->block_scales;
#define CASE(count) \
    case count: tile_pairs_of(out, ldc, codes, scales, x, count, groups, accumulate); break;
        switch (x->rows) {
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
        }
#undef CASE
    }
}
