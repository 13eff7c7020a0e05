// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: few rows of x against an NF4 weight as it lies. A byte holds two neighbours, so x is split into even and odd
// steps once, and bytes become vectors of either. The scale of a group is applied to its sum.

#pragma once

/// out [m, k] = x with every 2 · LANES steps as LANES even ones, then LANES odd ones; k is a multiple of IDF_GROUP.
static void split_x(float *out, const float *x, int64_t ldx, int64_t m, int64_t k) {
    for (int64_t row = 0; row < m; row++, x += ldx, out += k) {
        for (int64_t l = 0; l < k; l += 2 * LANES) {
            for (int64_t i = 0; i < LANES; i++) {
                out[l + i] = x[l + 2 * i];
                out[l + LANES + i] = x[l + 2 * i + 1];
            }
        }
    }
}

/// `columns` weight rows against `rows` rows of split x over k steps; both counts are constants where this is inlined.
IDF_INLINE void stream_nf4_block(float *out, int64_t ldo, const uint8_t *codes, const float *absmax, int64_t k_total,
                                 const float *x, int64_t ldx, int64_t k, int accumulate, const int columns, const int rows) {
    const int64_t row_bytes = k_total / 2, row_groups = k_total / IDF_GROUP, ahead = prefetch_distance(row_bytes, columns);
    vf sums[STREAM_COLUMNS][STREAM_ROWS];
#pragma clang loop unroll(full)
    for (int c = 0; c < columns; c++) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) sums[c][r] = v_zero();
    }
    for (int64_t g = 0; g < k / IDF_GROUP; g++) {
#pragma clang loop unroll(full)
        for (int c = 0; c < columns; c++) {
            const uint8_t *group = codes + c * row_bytes + g * (IDF_GROUP / 2);
            __builtin_prefetch(group + ahead, 0, 2);
            vf parts[STREAM_ROWS];
#pragma clang loop unroll(full)
            for (int l = 0; l < IDF_GROUP; l += 2 * LANES) {
                vf even, odd;
                v_load_nf4_pairs(group + l / 2, &even, &odd);
#pragma clang loop unroll(full)
                for (int r = 0; r < rows; r++) {
                    const float *values = x + r * ldx + g * IDF_GROUP + l;
                    parts[r] = l == 0 ? v_mul(even, v_load(values)) : v_fma(even, v_load(values), parts[r]);
                    parts[r] = v_fma(odd, v_load(values + LANES), parts[r]);
                }
            }
            const vf scale = v_set(absmax[c * row_groups + g]);
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) sums[c][r] = v_fma(parts[r], scale, sums[c][r]);
        }
    }
#pragma clang loop unroll(full)
    for (int c = 0; c < columns; c++) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            float *o = out + r * ldo + c;
            *o = (accumulate ? *o : 0) + v_sum(sums[c][r]);
        }
    }
}
