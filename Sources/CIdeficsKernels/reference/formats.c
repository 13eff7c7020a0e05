// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

const float idf_nf4_table[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
    -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};

// MARK: - INT8, INT4

static float clamped(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

static int code_of(float x, float inverse, idf_dtype format) {
    const float zero = (float)idf_code_zero(format);
    return (int)clamped(rintf(x * inverse), -zero, zero - 1);
}

/// Σ t·q and Σ q² of t = x · inverse and its nearest codes q.
static void fit(const float *x, float inverse, idf_dtype format, float *tq, float *qq) {
    *tq = *qq = 0;
    for (int l = 0; l < IDF_GROUP; l++) {
        const float t = x[l] * inverse, q = (float)code_of(x[l], inverse, format);
        *tq = fmaf(t, q, *tq);
        *qq = fmaf(q, q, *qq);
    }
}

/// The scale of one group as stored.
static uint16_t scale_of(const float *x, idf_dtype format) {
    static const float candidates4[] = IDF_INT4_CANDIDATES, candidates8[] = IDF_INT8_CANDIDATES;
    const float *candidates = format == IDF_INT4 ? candidates4 : candidates8;
    const int count = format == IDF_INT4 ? sizeof candidates4 / 4 : sizeof candidates8 / 4;

    float largest = 0, tq, qq, best = -1, scale = 0;
    for (int l = 0; l < IDF_GROUP; l++) {
        if (!isfinite(x[l])) return 0x7fc0;
        if (fabsf(x[l]) > fabsf(largest)) largest = x[l];
    }
    if (fabsf(largest) < 0x1p-100f) return 0;
    for (int i = 0; i < count; i++) {
        // With the best factor a = tq / qq the squared error is Σ t² − tq² / qq, in units of (largest / candidate)².
        fit(x, -candidates[i] / largest, format, &tq, &qq);
        const float part = tq / candidates[i], score = part * part / qq;
        if (score > best) {
            best = score;
            scale = tq / qq * (largest / -candidates[i]);
        }
    }
    uint16_t stored;
    const float most = 0x1.fep127f / (float)idf_code_zero(format); // no code may become infinite
    for (int i = 0;; i++) {
        scale = clamped(scale, -most, most);
        idf_from_f32_reference(&stored, &scale, IDF_BF16, 1);
        scale = idf_f32_of_bf16(stored);
        if (i == IDF_REFITS) return stored;
        fit(x, 1 / scale, format, &tq, &qq);
        scale = tq / qq * scale;
    }
}

static void quantize(uint8_t *codes, uint16_t *scales, idf_dtype format, const void *weight, idf_dtype dtype, int64_t rows,
                     int64_t k) {
    const int zero = idf_code_zero(format);
    for (int64_t g = 0; g < idf_groups(k); g++, codes += idf_group_bytes(format), scales += IDF_BLOCK_ROWS) {
        memset(codes, 0, (size_t)idf_group_bytes(format));
        for (int64_t r = 0; r < IDF_BLOCK_ROWS; r++) {
            float x[IDF_GROUP] = {0};
            for (int64_t l = 0; r < rows && l < idf_min(IDF_GROUP, k - g * IDF_GROUP); l++) {
                x[l] = idf_element_reference(weight, dtype, r * k + g * IDF_GROUP + l);
            }
            scales[r] = scale_of(x, format);
            const float scale = idf_f32_of_bf16(scales[r]);
            for (int64_t l = 0; l < IDF_GROUP; l++) {
                const int code = scale == 0 || scale != scale ? 0 : code_of(x[l], 1 / scale, format);
                int64_t unit;
                const int shift = idf_code_shift(format, l, &unit);
                codes[unit * IDF_UNIT + r * 4 + shift / 8] |= (uint8_t)((code + zero) << shift % 8);
            }
        }
    }
}

static void dequantize(float *y, int64_t ldy, const uint8_t *codes, const uint16_t *scales, idf_dtype format, int64_t rows,
                       int64_t k) {
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t l = 0; l < k; l++) {
            const int64_t g = l / IDF_GROUP;
            const int code = idf_code(codes + g * idf_group_bytes(format), format, r, l % IDF_GROUP);
            y[r * ldy + l] = (float)code * idf_f32_of_bf16(scales[g * IDF_BLOCK_ROWS + r]);
        }
    }
}

// MARK: - NF4

static void quantize_nf4(uint8_t *codes, float *absmax, const float *x, int64_t count) {
    static const float boundaries[15] = IDF_NF4_BOUNDARIES;
    *absmax = 0;
    for (int64_t i = 0; i < count; i++) {
        if (fabsf(x[i]) > *absmax) *absmax = fabsf(x[i]);
    }
    const float inverse = 1 / *absmax;
    for (int64_t i = 0; i < (count + 1) / 2 * 2; i++) {
        const float t = (i < count ? x[i] : 0) * inverse;
        int code = 0; // stays for NaN
        for (int j = 0; j < 15; j++) code += t > boundaries[j];
        codes[i / 2] = (uint8_t)(i % 2 == 0 ? code << 4 : codes[i / 2] | code);
    }
}

static void dequantize_nf4(float *y, const uint8_t *codes, const float *absmax, int64_t first, int64_t count) {
    for (int64_t i = first; i < first + count; i++) {
        const int code = i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15;
        y[i - first] = idf_nf4_table[code] * absmax[i / IDF_GROUP];
    }
}

const idf_format_kernels idf_formats_reference = {
    .quantize = quantize,
    .dequantize = dequantize,
    .quantize_nf4 = quantize_nf4,
    .dequantize_nf4 = dequantize_nf4,
};
