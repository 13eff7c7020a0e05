// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: loading weights of every float format, and turning rows of them into columns.

#pragma once

/// n elements from p on, n <= LANES; whole vectors when n == LANES is known.
IDF_INLINE vf load_weight(const void *p, idf_dtype dtype, int64_t i, int64_t n) {
    switch (dtype) {
    case IDF_BF16: return n == LANES ? v_load_bf16((const uint16_t *)p + i) : v_load_bf16_n((const uint16_t *)p + i, n);
    case IDF_F16: return n == LANES ? v_load_f16((const uint16_t *)p + i) : v_load_f16_n((const uint16_t *)p + i, n);
    default: break;
    }
    return n == LANES ? v_load((const float *)p + i) : v_load_n((const float *)p + i, n);
}

/// out [k][LANES] with steps `stride` apart = weight [rows <= LANES, k] with `k_total` between rows; missing rows become 0.
IDF_INLINE void pack_lanes(float *out, int64_t stride, const char *weight, idf_dtype dtype, int64_t k_total, int64_t rows,
                           int64_t k) {
    const int64_t row_bytes = k_total * (int64_t)idf_dtype_size(dtype);
    vf lanes[LANES];
    int64_t l = 0;
    if (dtype == IDF_BF16) {
        // Pairs move through the transposition together: half the shuffles.
        for (; l + 2 * LANES <= k; l += 2 * LANES) {
            for (int64_t i = 0; i < LANES; i++) {
                lanes[i] = i < rows ? v_load((const float *)(const void *)(weight + i * row_bytes + l * 2)) : v_zero();
            }
            v_transpose(lanes);
            for (int64_t i = 0; i < LANES; i++) {
                v_store(out + (l + 2 * i) * stride, v_low_bf16(lanes[i]));
                v_store(out + (l + 2 * i + 1) * stride, v_high_bf16(lanes[i]));
            }
        }
    }
    for (; l < k; l += LANES) {
        const int64_t n = idf_min(LANES, k - l);
        for (int64_t i = 0; i < LANES; i++) {
            lanes[i] = i >= rows   ? v_zero()
                       : n == LANES ? load_weight(weight + i * row_bytes, dtype, l, LANES)
                                    : load_weight(weight + i * row_bytes, dtype, l, n);
        }
        v_transpose(lanes);
        for (int64_t i = 0; i < n; i++) v_store(out + (l + i) * stride, lanes[i]);
    }
}

/// LANES rows of a block of 16, from `lane` on, of steps step..<step + k (in the group that begins at codes) as values:
/// out [k] vectors `stride` floats apart. Steps past the group go on into the next one.
IDF_INLINE void expand_lanes(float *out, int64_t stride, const uint8_t *codes, const uint16_t *scales, idf_dtype format,
                             int64_t lane, int64_t step, int64_t k) {
    const vf zero = v_set((float)idf_code_zero(format));
    const uint32_t mask = format == IDF_INT8 ? 255 : 15;
    while (k > 0) {
        const uint8_t *group = codes + step / IDF_GROUP * idf_group_bytes(format) + lane * 4;
        const vf scale = v_load_bf16(scales + step / IDF_GROUP * IDF_BLOCK_ROWS + lane);
        const int64_t first = step % IDF_GROUP, count = idf_min(k, IDF_GROUP - first);
        for (int64_t l = first; l < first + count; l++) {
            int64_t unit;
            const int shift = idf_code_shift(format, l, &unit);
            const vf code = v_field(group + unit * IDF_UNIT, shift, mask);
            v_store(out + (l - first) * stride, v_mul(v_sub(code, zero), scale));
        }
        out += count * stride;
        step += count;
        k -= count;
    }
}
