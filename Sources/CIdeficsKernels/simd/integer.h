// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: products of INT8 and INT4 weights with quantized x. Include an integers_*.h first: it says how bytes are
// multiplied. A sum of a group is an exact integer on every instruction set; groups are added in f32 in their order.
//
// INT8 is done in two parts of 16 units each, whatever an instruction set can multiply 16-bit codes by: their high
// and low bytes, or every other step.

enum {
    BLOCK_VECTORS = IDF_BLOCK_ROWS / INTEGER_LANES, ///< vectors of 16 features
    MOST_VECTORS = INTEGER_SINGLE_BLOCKS * BLOCK_VECTORS,
    UNITS = IDF_GROUP / 4,                          ///< byte units of a group
    AHEAD = 4096, ///< codes are asked for a page before they are needed, into the L2 cache: it has room for more requests
};

// MARK: - x

/// Codes of 64 steps for INT4 (most 127) or INT8 (most 32512), as integers; the scale.
IDF_INLINE float quantize_group(int32_t *codes, const float *x, const float most) {
    uint32_t bits[IDF_GROUP], largest = 0;
    memcpy(bits, x, sizeof bits);
    for (int l = 0; l < IDF_GROUP; l++) {
        const uint32_t magnitude = bits[l] & 0x7fffffff;
        largest = magnitude > largest ? magnitude : largest;
    }
    float size;
    memcpy(&size, &largest, sizeof size);
    if (largest >= 0x7f800000 || size < 0x1p-100f) {
        memset(codes, 0, IDF_GROUP * sizeof *codes);
        return largest >= 0x7f800000 ? NAN : 0;
    }
    // Adding 1.5 · 2^23 rounds to whole numbers, to nearest even.
    const float inverse = most / size, round = 12582912.0f;
    for (int l = 0; l < IDF_GROUP; l++) {
        const float code = x[l] * inverse;
        const float shifted = code + round;
        codes[l] = (int32_t)(shifted - round);
    }
    return size / most;
}

IDF_INLINE void quantize_rows(const idf_integer_rows *out, const float *x, int64_t ldx, int64_t k, idf_dtype format) {
    const int64_t bytes = format == IDF_INT8 ? 2 * IDF_GROUP : IDF_GROUP;
    int8_t *packed = out->codes;
    for (int64_t g = 0; g < idf_groups(k); g++) {
        for (int64_t row = 0; row < out->rows; row++, packed += bytes) {
            const float *values = x + row * ldx + g * IDF_GROUP;
            float rest[IDF_GROUP];
            if (k - g * IDF_GROUP < IDF_GROUP) {
                memset(rest, 0, sizeof rest);
                memcpy(rest, values, (size_t)(k - g * IDF_GROUP) * sizeof(float));
                values = rest;
            }
            int32_t codes[IDF_GROUP];
            out->scales[g * out->rows + row] = quantize_group(codes, values, format == IDF_INT8 ? 32512 : 127);
            out->starts[g * out->rows + row] = format == IDF_INT8 ? i_store8(packed, codes) : i_store4(packed, codes);
        }
    }
}

// MARK: - Unpacked INT4

/// One bit pattern for all NaN: which of two an addition keeps is the compiler's choice, and tiles of several widths are
/// compiled for the same sum.
IDF_INLINE vf one_nan(vf x) {
    const vf zero = v_zero(), infinity = v_set(INFINITY);
    const vf rest = v_select(v_less(x, zero), v_set(-INFINITY), v_select(v_less(zero, x), infinity, v_set(NAN)));
    return v_select(v_less(v_abs(x), infinity), x, rest);
}

#if defined(INTEGER_PAIRS)

#include "integer_pairs.h"

#else

static void unpack(uint8_t *out, const uint8_t *codes, int64_t units) {
    for (int64_t i = 0; i < units; i++, codes += IDF_UNIT, out += 2 * IDF_UNIT) {
        for (int j = 0; j < IDF_UNIT; j++) out[j] = codes[j] & 15;
        for (int j = 0; j < IDF_UNIT; j++) out[IDF_UNIT + j] = codes[j] >> 4;
    }
}

#endif

static void quantize_x(const idf_integer_rows *out, const float *x, int64_t ldx, int64_t k, idf_integer_form form) {
    if (form == IDF_INTEGER_INT8) {
        quantize_rows(out, x, ldx, k, IDF_INT8);
    } else {
        quantize_rows(out, x, ldx, k, IDF_INT4);
    }
#if defined(INTEGER_PAIRS)
    if (form == IDF_INTEGER_UNPACKED) pair_rows(out, idf_groups(k));
#endif
}

// MARK: - Tile

/// One group; `rows`, `vectors` and `form` are constants where this is inlined.
IDF_INLINE void tile_group(vf totals[INTEGER_ROWS][MOST_VECTORS], const uint8_t *codes, int64_t block_bytes, const uint16_t *scales,
                           int64_t block_scales, const int8_t *x, const float *x_scales, const int32_t *starts,
                           const int rows, const int vectors, const idf_integer_form form) {
    const int64_t x_bytes = form == IDF_INTEGER_INT8 ? 2 * IDF_GROUP : IDF_GROUP;
    vi sums[INTEGER_ROWS][MOST_VECTORS];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sums[r][v] = form == IDF_INTEGER_INT8 ? i_begin8(starts[r]) : i_begin4(starts[r]);
    }
    // Vector v holds features v · INTEGER_LANES and following: of a unit, or of a unit of the next block.
#define AT(v) (codes + (v) * INTEGER_LANES / IDF_BLOCK_ROWS * block_bytes + (v) * INTEGER_LANES % IDF_BLOCK_ROWS * 4)
#define FOR_ALL(r, v, statement)                     \
    _Pragma("clang loop unroll(full)")               \
    for (int r = 0; r < rows; r++) {                 \
        _Pragma("clang loop unroll(full)")           \
        for (int v = 0; v < vectors; v++) statement; \
    }
    vi weights[MOST_VECTORS];
    if (form == IDF_INTEGER_INT4) {
#pragma clang loop unroll_count(2)
        for (int u = 0; u < UNITS / 2; u++) {
            vi both[MOST_VECTORS];
            for (int v = 0; v < vectors; v += BLOCK_VECTORS) {
                __builtin_prefetch(AT(v) + u * IDF_UNIT + AHEAD, 0, 2);
            }
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) {
                both[v] = i_load(AT(v) + u * IDF_UNIT);
                weights[v] = i_low(both[v]);
            }
            FOR_ALL(r, v, sums[r][v] = i_dot4(sums[r][v], weights[v], x + r * x_bytes + u * 8))
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) weights[v] = i_high(both[v]);
            FOR_ALL(r, v, sums[r][v] = i_dot4(sums[r][v], weights[v], x + r * x_bytes + u * 8 + 4))
            FOR_ALL(r, v, i_pin(&sums[r][v]))
        }
    } else if (form == IDF_INTEGER_UNPACKED) {
#pragma clang loop unroll_count(4)
        for (int u = 0; u < UNITS; u++) {
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) weights[v] = i_load(AT(v) + u * IDF_UNIT);
            FOR_ALL(r, v, sums[r][v] = i_dot4(sums[r][v], weights[v], x + r * x_bytes + u * 4))
            FOR_ALL(r, v, i_pin(&sums[r][v]))
        }
    } else {
#pragma clang loop unroll(full)
        for (int part = 0; part < 2; part++) {
            if (part == 1) { FOR_ALL(r, v, sums[r][v] = i_between8(sums[r][v], starts[r])) }
#pragma clang loop unroll_count(4)
            for (int u = 0; u < UNITS; u++) {
                if (part == 0 && rows <= 4) {
                    for (int v = 0; v < vectors; v += BLOCK_VECTORS) {
                        __builtin_prefetch(AT(v) + u * IDF_UNIT + AHEAD, 0, 2);
                    }
                }
#pragma clang loop unroll(full)
                for (int v = 0; v < vectors; v++) weights[v] = i_part8(i_load(AT(v) + u * IDF_UNIT), part);
                FOR_ALL(r, v, sums[r][v] = i_dot8(sums[r][v], weights[v], x + r * x_bytes + part * IDF_GROUP + u * 4))
                FOR_ALL(r, v, i_pin(&sums[r][v]))
            }
        }
    }
#undef FOR_ALL
#undef AT
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
        const vf scale = i_scales(scales + v * INTEGER_LANES / IDF_BLOCK_ROWS * block_scales + v * INTEGER_LANES % IDF_BLOCK_ROWS);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const vf sum = form == IDF_INTEGER_INT8 ? i_float8(sums[r][v]) : i_float4(sums[r][v]);
            totals[r][v] = v_fma(sum, v_mul(scale, v_set(x_scales[r])), totals[r][v]);
        }
    }
}

IDF_INLINE void tile_of(float *c, int64_t ldc, const idf_integer_weight *weight, const idf_integer_rows *x, const int rows,
                        const int vectors, int64_t groups, const idf_integer_form form, int accumulate) {
    const int64_t x_bytes = form == IDF_INTEGER_INT8 ? 2 * IDF_GROUP : IDF_GROUP;
    const int64_t group_bytes = form == IDF_INTEGER_INT4 ? IDF_INT4_GROUP : IDF_INT8_GROUP;
    vf totals[INTEGER_ROWS][MOST_VECTORS];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) totals[r][v] = accumulate ? v_load(c + r * ldc + v * INTEGER_LANES) : v_zero();
    }
    for (int64_t g = 0; g < groups; g++) {
        tile_group(totals, weight->codes + g * group_bytes, weight->block_bytes, weight->scales + g * IDF_BLOCK_ROWS,
                   weight->block_scales, x->codes + g * rows * x_bytes, x->scales + g * rows, x->starts + g * rows, rows,
                   vectors, form);
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) v_store(c + r * ldc + v * INTEGER_LANES, one_nan(totals[r][v]));
    }
}

/// Any rows in 1...INTEGER_ROWS; `vectors` and `form` are constants where this is inlined.
IDF_INLINE void tile_rows(float *c, int64_t ldc, const idf_integer_weight *weight, const idf_integer_rows *x,
                          const int vectors, int64_t groups, const idf_integer_form form, int accumulate) {
    // Rows that this instruction set has no registers for never come, and their code is dropped.
    const int most = vectors > 2 * BLOCK_VECTORS ? 1 : vectors > BLOCK_VECTORS ? INTEGER_PAIR_ROWS : INTEGER_ROWS;
#define CASE(count)                                                                                       \
    case count:                                                                                           \
        if (count <= most) tile_of(c, ldc, weight, x, count, vectors, groups, form, accumulate); \
        break;
    switch (x->rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13)
        CASE(14)
    }
#undef CASE
}

IDF_INLINE void tile_as(float *c, int64_t ldc, const idf_integer_weight *weight, const idf_integer_rows *x, int64_t blocks,
                        int64_t groups, const idf_integer_form form, int accumulate) {
#define CASE(count) \
    case count: tile_rows(c, ldc, weight, x, count * BLOCK_VECTORS, groups, form, accumulate); break;
    switch (blocks) {
        CASE(1) CASE(2)
#if INTEGER_SINGLE_BLOCKS > 2
        CASE(4)
#endif
    }
#undef CASE
}

static void tile(float *c, int64_t ldc, const idf_integer_weight *weight, const idf_integer_rows *x, int64_t blocks,
                 int64_t groups, idf_integer_form form, int accumulate) {
    switch (form) {
    case IDF_INTEGER_INT8: tile_as(c, ldc, weight, x, blocks, groups, IDF_INTEGER_INT8, accumulate); break;
    case IDF_INTEGER_INT4: tile_as(c, ldc, weight, x, blocks, groups, IDF_INTEGER_INT4, accumulate); break;
    case IDF_INTEGER_UNPACKED:
#if defined(INTEGER_PAIRS)
        tile_pairs(c, ldc, weight, x, blocks, groups, accumulate);
#else
        tile_as(c, ldc, weight, x, blocks, groups, IDF_INTEGER_UNPACKED, accumulate);
#endif
        break;
    }
}

// MARK: - Limit

static double limit(int64_t iterations) {
    enum { CHAINS = 12 };
    vi sums[CHAINS];
    static const int8_t ones[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t bytes[IDF_UNIT] = {1, 2, 3, 4};
#pragma clang loop unroll(full)
    for (int j = 0; j < CHAINS; j++) sums[j] = i_begin4(j);
    vi weight = i_load(bytes);
    const vi values = i_values4(ones);
    for (int64_t i = 0; i < iterations; i++) {
#pragma clang loop unroll(full)
        for (int j = 0; j < CHAINS; j++) {
            i_pin(&weight); // or the compiler multiplies once for all
            sums[j] = i_product4(sums[j], weight, values);
            i_pin(&sums[j]);
        }
    }
    volatile float sink;
    for (int j = 0; j < CHAINS; j++) sink = v_sum(i_float4(sums[j]));
    (void)sink;
    return 2.0 * CHAINS * INTEGER_LANES * 4 * (double)iterations;
}

const idf_integer_kernels INTEGER_NAME(idf_integer) = {
    .tile_rows = INTEGER_ROWS,
    .single_blocks = INTEGER_SINGLE_BLOCKS,
    .pair_rows = INTEGER_PAIR_ROWS,
    .block_columns = INTEGER_BLOCK_COLUMNS,
    .stream_rows = INTEGER_STREAM_ROWS,
    .quantize_x = quantize_x,
    .unpack = unpack,
    .tile = tile,
    .limit = limit,
};
