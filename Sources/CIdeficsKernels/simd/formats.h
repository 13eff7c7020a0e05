// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: quantizing and dequantizing over the vectors of one instruction set. Lanes are rows of the weight, so every
// sum runs in the order of the reference loops and all results are the same bits.

#include "math.h"
#include "pack.h"

// MARK: - INT8, INT4

/// Nearest codes of x · inverse.
IDF_INLINE vf codes_of(const float *x, vf inverse, vf low, vf high) {
    return v_max(v_min(v_round(v_mul(v_load(x), inverse)), high), low);
}

/// Σ t·q and Σ q² of t = x · inverse and its nearest codes q; x [64] vectors, IDF_BLOCK_ROWS apart.
IDF_INLINE void fit(const float *x, vf inverse, vf low, vf high, vf *tq, vf *qq) {
    vf products = v_zero(), squares = v_zero();
    for (int64_t l = 0; l < IDF_GROUP; l++, x += IDF_BLOCK_ROWS) {
        const vf t = v_mul(v_load(x), inverse), q = v_max(v_min(v_round(t), high), low);
        products = v_fma(t, q, products);
        squares = v_fma(q, q, squares);
    }
    *tq = products;
    *qq = squares;
}

/// Scales of LANES groups as stored; x becomes the codes, as floats.
IDF_INLINE void quantize_lanes(float *x, uint16_t *scales, idf_dtype format) {
    static const float candidates4[] = IDF_INT4_CANDIDATES, candidates8[] = IDF_INT8_CANDIDATES;
    const float *candidates = format == IDF_INT4 ? candidates4 : candidates8;
    const int count = format == IDF_INT4 ? sizeof candidates4 / 4 : sizeof candidates8 / 4;
    const float zero = (float)idf_code_zero(format);
    const vf low = v_set(-zero), high = v_set(zero - 1), one = v_set(1);

    vf largest = v_zero(), broken = v_zero();
    for (int64_t l = 0; l < IDF_GROUP; l++) {
        const vf value = v_load(x + l * IDF_BLOCK_ROWS);
        broken = v_fma(value, v_zero(), broken); // NaN as soon as one is not finite
        largest = v_select(v_less(v_abs(largest), v_abs(value)), value, largest);
    }
    const vm finite = v_less(v_abs(broken), one), tiny = v_less(v_abs(largest), v_set(0x1p-100f));
    // Lanes without a scale go along with a harmless one.
    largest = v_select(tiny, one, v_select(finite, largest, one));

    vf best = v_set(-1), scale = one, tq, qq;
    for (int i = 0; i < count; i++) {
        const vf candidate = v_set(-candidates[i]);
        fit(x, v_div(candidate, largest), low, high, &tq, &qq);
        const vf part = v_div(tq, v_set(candidates[i])), score = v_div(v_mul(part, part), qq);
        const vm better = v_less(best, score);
        best = v_select(better, score, best);
        scale = v_select(better, v_mul(v_div(tq, qq), v_div(largest, candidate)), scale);
    }
    const vf most = v_set(0x1.fep127f / zero), least = v_set(-0x1.fep127f / zero); // no code may become infinite
    for (int i = 0;; i++) {
        scale = v_max(v_min(scale, most), least);
        v_store_bf16(scales, scale);
        scale = v_load_bf16(scales);
        if (i == IDF_REFITS) break;
        fit(x, v_div(one, scale), low, high, &tq, &qq);
        scale = v_mul(v_div(tq, qq), scale);
    }
    const vf inverse = v_div(one, scale);
    for (int64_t l = 0; l < IDF_GROUP; l++) {
        const vf codes = codes_of(x + l * IDF_BLOCK_ROWS, inverse, low, high);
        v_store(x + l * IDF_BLOCK_ROWS, v_select(tiny, v_zero(), v_select(finite, codes, v_zero())));
    }
    v_store_bf16(scales, v_select(finite, v_select(tiny, v_zero(), scale), v_set(NAN)));
}

/// Codes [64][16], as floats, to the units of a group.
IDF_INLINE void store_units(uint8_t *out, const float *codes, idf_dtype format) {
    const int64_t steps = format == IDF_INT8 ? 4 : 8;
    const float zero = (float)idf_code_zero(format);
    for (int64_t unit = 0; unit < IDF_GROUP / steps; unit++, codes += steps * IDF_BLOCK_ROWS, out += IDF_UNIT) {
        uint32_t words[IDF_BLOCK_ROWS] = {0};
        for (int64_t l = 0; l < steps; l++) {
            int64_t ignored;
            const int shift = idf_code_shift(format, l, &ignored);
            for (int r = 0; r < IDF_BLOCK_ROWS; r++) {
                words[r] |= (uint32_t)(int32_t)(codes[l * IDF_BLOCK_ROWS + r] + zero) << shift;
            }
        }
        memcpy(out, words, sizeof words);
    }
}

IDF_INLINE void quantize_as(uint8_t *codes, uint16_t *scales, idf_dtype format, const char *weight, idf_dtype dtype,
                            int64_t rows, int64_t k) {
    const int64_t element = (int64_t)idf_dtype_size(dtype), row_bytes = k * element;
    float x[IDF_GROUP * IDF_BLOCK_ROWS];
    for (int64_t step = 0; step < k; step += IDF_GROUP) {
        const int64_t steps = idf_min(IDF_GROUP, k - step);
        for (int64_t lane = 0; lane < IDF_BLOCK_ROWS; lane += LANES) {
            const int64_t rest = idf_min(LANES, idf_max(0, rows - lane));
            pack_lanes(x + lane, IDF_BLOCK_ROWS, weight + lane * row_bytes + step * element, dtype, k, rest, steps);
            for (int64_t l = steps; l < IDF_GROUP; l++) v_store(x + l * IDF_BLOCK_ROWS + lane, v_zero());
            quantize_lanes(x + lane, scales + lane, format);
        }
        store_units(codes, x, format);
        codes += idf_group_bytes(format);
        scales += IDF_BLOCK_ROWS;
    }
}

static void quantize(uint8_t *codes, uint16_t *scales, idf_dtype format, const void *weight, idf_dtype dtype, int64_t rows,
                     int64_t k) {
#define CASE(type) \
    case type: \
        if (format == IDF_INT8) { \
            quantize_as(codes, scales, IDF_INT8, weight, type, rows, k); \
        } else { \
            quantize_as(codes, scales, IDF_INT4, weight, type, rows, k); \
        } \
        break;
    switch (dtype) {
        CASE(IDF_F32) CASE(IDF_BF16) CASE(IDF_F16)
    default: break;
    }
#undef CASE
}

IDF_INLINE void dequantize_as(float *y, int64_t ldy, const uint8_t *codes, const uint16_t *scales, idf_dtype format,
                              int64_t rows, int64_t k) {
    float values[LANES * LANES];
    for (int64_t lane = 0; lane < rows; lane += LANES) {
        const int64_t count = idf_min(LANES, rows - lane);
        for (int64_t l = 0; l < k; l += LANES) {
            const int64_t steps = idf_min(LANES, k - l);
            expand_lanes(values, LANES, codes, scales, format, lane, l, LANES);
            vf vectors[LANES];
            for (int64_t i = 0; i < LANES; i++) vectors[i] = v_load(values + i * LANES);
            v_transpose(vectors);
            for (int64_t r = 0; r < count; r++) {
                float *out = y + (lane + r) * ldy + l;
                if (steps == LANES) {
                    v_store(out, vectors[r]);
                } else {
                    v_store_n(out, vectors[r], steps);
                }
            }
        }
    }
}

static void dequantize(float *y, int64_t ldy, const uint8_t *codes, const uint16_t *scales, idf_dtype format, int64_t rows,
                       int64_t k) {
    if (format == IDF_INT8) {
        dequantize_as(y, ldy, codes, scales, IDF_INT8, rows, k);
    } else {
        dequantize_as(y, ldy, codes, scales, IDF_INT4, rows, k);
    }
}

// MARK: - NF4

static void quantize_nf4(uint8_t *codes, float *absmax, const float *x, int64_t count) {
    // Magnitudes as bits: whole numbers have a largest one in any order.
    static const float boundaries[15] = IDF_NF4_BOUNDARIES;
    uint32_t bits[IDF_GROUP] = {0}, largest = 0;
    float values[IDF_GROUP] = {0};
    memcpy(bits, x, (size_t)count * sizeof(float));
    memcpy(values, x, (size_t)count * sizeof(float));
    for (int i = 0; i < IDF_GROUP; i++) {
        const uint32_t magnitude = bits[i] & 0x7fffffff;
        largest = magnitude <= 0x7f800000 && magnitude > largest ? magnitude : largest;
    }
    memcpy(absmax, &largest, sizeof largest);
    const float inverse = 1 / *absmax;
    int32_t nearest[IDF_GROUP];
    for (int i = 0; i < IDF_GROUP; i++) {
        const float t = values[i] * inverse;
        int32_t code = 0;
#pragma clang loop unroll(full)
        for (int j = 0; j < 15; j++) code += t > boundaries[j];
        nearest[i] = code;
    }
    for (int64_t i = 0; i < (count + 1) / 2; i++) codes[i] = (uint8_t)(nearest[2 * i] << 4 | nearest[2 * i + 1]);
}

static void dequantize_nf4(float *y, const uint8_t *codes, const float *absmax, int64_t first, int64_t count) {
    int64_t i = first;
    const int64_t end = first + count;
    while (i < end) {
        const float scale = absmax[i / IDF_GROUP];
        const int64_t stop = idf_min(end, (i / IDF_GROUP + 1) * IDF_GROUP);
        if (i % 2 != 0 && i < stop) {
            y[i - first] = idf_nf4_table[codes[i / 2] & 15] * scale;
            i++;
        }
        for (; i + LANES <= stop; i += LANES) v_store(y + i - first, v_mul(v_load_nf4(codes + i / 2), v_set(scale)));
        for (; i < stop; i++) y[i - first] = idf_nf4_table[i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15] * scale;
    }
}

const idf_format_kernels IDF_NAME(idf_formats) = {
    .quantize = quantize,
    .dequantize = dequantize,
    .quantize_nf4 = quantize_nf4,
    .dequantize_nf4 = dequantize_nf4,
};
