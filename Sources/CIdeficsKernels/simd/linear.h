// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: the inner loops of idf_linear over the vectors of one instruction set (include a vectors_*.h first).

#include "math.h"
#include "pack.h"
#include "tile.h"

extern const idf_format_kernels IDF_NAME(idf_formats);

enum {
    STREAM_COLUMNS = 4,
    STREAM_ROWS = IDF_STREAM_ROWS,
    STREAM_DEPTH = 1024,   // 6 × 1024 floats: 24 KiB of a 32-48 KiB L1 cache
    PREFETCH_BYTES = 1024, // into the next page early: prefetchers of the machine stop at its end
    SHORT_ROW_BYTES = 4096, // several times the distance, so that long rows keep to their own
};

// MARK: - Packing

IDF_INLINE void pack_weight_as(float *out, const char *weight, idf_dtype dtype, int64_t k_total, int64_t rows, int64_t k) {
    const int64_t row_bytes = k_total * (int64_t)idf_dtype_size(dtype);
    for (int64_t half = 0; half < 2; half++) {
        const int64_t rest = idf_max(0, rows - half * LANES);
        // rows >= LANES as a constant lets the loops run without tests.
        if (rest >= LANES) {
            pack_lanes(out + half * LANES, TILE_COLUMNS, weight + half * LANES * row_bytes, dtype, k_total, LANES, k);
        } else {
            pack_lanes(out + half * LANES, TILE_COLUMNS, weight + half * LANES * row_bytes, dtype, k_total, rest, k);
        }
    }
}

static void pack_x(float *out, const float *x, int64_t ldx, int64_t rows, int64_t k) { pack_rows(out, x, ldx, rows, k); }

static void pack_weight(float *out, const void *weight, idf_dtype dtype, int64_t k_total, int64_t rows, int64_t k) {
    switch (dtype) {
    case IDF_F32: pack_weight_as(out, weight, IDF_F32, k_total, rows, k); break;
    case IDF_BF16: pack_weight_as(out, weight, IDF_BF16, k_total, rows, k); break;
    case IDF_F16: pack_weight_as(out, weight, IDF_F16, k_total, rows, k); break;
    default: break;
    }
}

IDF_INLINE void pack_interleaved(float *out, const idf_linear_job *job, idf_dtype format, int64_t k_total, int64_t column,
                                 int64_t step, int64_t k) {
    const int64_t groups = idf_groups(k_total);
    for (int64_t v = 0; v < 2; v++) {
        const int64_t first = column + v * LANES, block = first / IDF_BLOCK_ROWS;
        if (first < idf_divide_up(job->n, IDF_BLOCK_ROWS) * IDF_BLOCK_ROWS) {
            expand_lanes(out + v * LANES, TILE_COLUMNS, (const uint8_t *)job->weight + block * groups * idf_group_bytes(format),
                         (const uint16_t *)job->scales + block * groups * IDF_BLOCK_ROWS, format, first % IDF_BLOCK_ROWS,
                         step, k);
        } else {
            for (int64_t l = 0; l < k; l++) v_store(out + l * TILE_COLUMNS + v * LANES, v_zero());
        }
    }
}

static void pack_quantized(float *out, const idf_linear_job *job, int64_t k_total, int64_t column, int64_t step, int64_t k) {
    switch (job->dtype) {
    case IDF_INT8: pack_interleaved(out, job, IDF_INT8, k_total, column, step, k); return;
    case IDF_INT4: pack_interleaved(out, job, IDF_INT4, k_total, column, step, k); return;
    default: break;
    }
    // NF4 lies in rows: a few steps of all rows at a time, through memory that stays in the L1 cache.
    enum { STEPS = 64 };
    float rows[TILE_COLUMNS][STEPS];
    const int64_t count = idf_min(TILE_COLUMNS, job->n - column);
    for (int64_t l = 0; l < k; l += STEPS) {
        const int64_t steps = idf_min(STEPS, k - l);
        for (int64_t i = 0; i < count; i++) {
            IDF_NAME(idf_formats).dequantize_nf4(rows[i], job->weight, job->scales, (column + i) * k_total + step + l, steps);
        }
        pack_weight_as(out + l * TILE_COLUMNS, (const char *)rows, IDF_F32, STEPS, count, steps);
    }
}

// MARK: - Tiles

static void tile(float *c, int64_t ldc, const float *a, const float *b, int64_t rows, int64_t k, int accumulate) {
    tile_product(c, ldc, a, 1, rows, b, TILE_COLUMNS, rows, 2, k, accumulate);
}

// MARK: - bf16

/// Where the machine has no products of pairs: floats that are bf16.
static void round_panel(float *panel, int64_t width, int64_t k) {
    uint16_t halves[LANES];
    int64_t i = 0;
    for (; i + LANES <= width * k; i += LANES) {
        v_store_bf16(halves, v_load(panel + i));
        v_store(panel + i, v_load_bf16(halves));
    }
    if (i < width * k) {
        v_store_bf16(halves, v_load_n(panel + i, width * k - i));
        v_store_n(panel + i, v_load_bf16(halves), width * k - i);
    }
}

const idf_bf16_kernels IDF_NAME(idf_bf16) = {.round = round_panel, .tile = tile};

// MARK: - Streaming

/// How far ahead the rows of a streaming weight are fetched, `columns` of them in turn.
///
/// What lies further along in a short row is being read already, as one of the other columns: what comes next is as many
/// rows ahead as there are columns. Into the L2 cache: that has room for more requests under way than the L1 cache, and
/// with short rows requests are what is scarce.
IDF_INLINE int64_t prefetch_distance(int64_t row_bytes, int64_t columns) {
    return row_bytes < SHORT_ROW_BYTES ? columns * row_bytes : PREFETCH_BYTES;
}

/// Bytes of l elements of a row.
IDF_INLINE int64_t stream_bytes(idf_dtype dtype, int64_t l) {
    return dtype == IDF_NF4 ? l / 2 : l * (int64_t)idf_dtype_size(dtype);
}

/// `columns` weight rows against `rows` rows of x over k steps; both counts are constants where this is inlined.
IDF_INLINE void stream_block(float *out, int64_t ldo, const char *weight, const float *absmax, int64_t k_total,
                             idf_dtype dtype, const float *x, int64_t ldx, int64_t k, int accumulate, const int columns,
                             const int rows) {
    const int64_t row_bytes = stream_bytes(dtype, k_total), row_groups = k_total / IDF_GROUP;
    vf sums[STREAM_COLUMNS][STREAM_ROWS], values[STREAM_ROWS];
#pragma clang loop unroll(full)
    for (int c = 0; c < columns; c++) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) sums[c][r] = v_zero();
    }
    const int64_t ahead = prefetch_distance(row_bytes, columns);
    // NF4 goes group by group: each has one scale, and no more than 32 bytes.
    const int64_t stride = dtype == IDF_NF4 ? IDF_GROUP : LANES;
    int64_t l = 0;
    for (; l + stride <= k; l += stride) {
        vf scales[STREAM_COLUMNS];
#pragma clang loop unroll(full)
        for (int c = 0; c < columns; c++) {
            __builtin_prefetch(weight + c * row_bytes + stream_bytes(dtype, l) + ahead, 0, 2);
            if (dtype == IDF_NF4) scales[c] = v_set(absmax[c * row_groups + l / IDF_GROUP]);
        }
#pragma clang loop unroll(full)
        for (int64_t i = l; i < l + stride; i += LANES) {
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) values[r] = v_load(x + r * ldx + i);
#pragma clang loop unroll(full)
            for (int c = 0; c < columns; c++) {
                const char *row = weight + c * row_bytes;
                const vf w = dtype == IDF_NF4 ? v_mul(v_load_nf4((const uint8_t *)row + i / 2), scales[c])
                                              : load_weight(row, dtype, i, LANES);
#pragma clang loop unroll(full)
                for (int r = 0; r < rows; r++) sums[c][r] = v_fma(w, values[r], sums[c][r]);
            }
        }
    }
    if (l < k) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) values[r] = v_load_n(x + r * ldx + l, k - l);
#pragma clang loop unroll(full)
        for (int c = 0; c < columns; c++) {
            const vf w = load_weight(weight + c * row_bytes, dtype, l, k - l);
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) sums[c][r] = v_fma(w, values[r], sums[c][r]);
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

#include "linear_nf4.h"

/// `is_split`: NF4, and x is what split_x made.
IDF_INLINE void stream_rows(float *out, int64_t ldo, const char *weight, const float *absmax, int64_t k_total, idf_dtype dtype,
                            const int is_split, int64_t n, const float *x, int64_t ldx, int64_t k, int accumulate,
                            const int rows) {
#define BLOCK(columns)                                                                                                  \
    const char *w = weight + stream_bytes(dtype, j * k_total);                                                          \
    const float *scales = absmax + j * (k_total / IDF_GROUP);                                                           \
    if (is_split) {                                                                                                     \
        stream_nf4_block(out + j, ldo, (const uint8_t *)w, scales, k_total, x, ldx, k, accumulate, columns, rows);      \
    } else {                                                                                                            \
        stream_block(out + j, ldo, w, scales, k_total, dtype, x, ldx, k, accumulate, columns, rows);                    \
    }
    int64_t j = 0;
    for (; j + STREAM_COLUMNS <= n; j += STREAM_COLUMNS) { BLOCK(STREAM_COLUMNS) }
    for (; j < n; j++) { BLOCK(1) }
#undef BLOCK
}

IDF_INLINE void stream_as(float *out, int64_t ldo, const char *weight, const float *absmax, idf_dtype dtype,
                          const int is_split, int64_t n, const float *x, int64_t ldx, int64_t m, int64_t k) {
    const int64_t parts = idf_divide_up(m, STREAM_ROWS);
    // One or two rows of x stay cached anyway; of more, a piece must stay in the L1 cache while the weights pass.
    const int64_t depth = m <= 2 ? k : STREAM_DEPTH;
    for (int64_t step = 0; step < k; step += depth) {
        const int64_t steps = idf_min(depth, k - step);
        const char *w = weight + stream_bytes(dtype, step);
        for (int64_t part = 0; part < parts; part++) {
            const int64_t begin = m * part / parts, rows = m * (part + 1) / parts - begin;
            float *o = out + begin * ldo;
            const float *piece = x + begin * ldx + step;
#define CASE(count)                                                                                                         \
    case count:                                                                                                             \
        stream_rows(o, ldo, w, absmax + step / IDF_GROUP, k, dtype, is_split, n, piece, ldx, steps, step > 0, count);       \
        break;
            switch (rows) {
                CASE(1) CASE(2) CASE(3)
#if IDF_STREAM_ROWS > 3
                CASE(4) CASE(5) CASE(6)
#endif
            }
#undef CASE
        }
    }
}

static void stream(float *out, int64_t ldo, const void *weight, const float *absmax, idf_dtype dtype, int64_t n, const float *x,
                   int64_t ldx, int64_t m, int64_t k) {
    // Nothing is added to the address of an array that is not there.
    static const float none[1];
    switch (dtype) {
    case IDF_F32: stream_as(out, ldo, weight, none, IDF_F32, 0, n, x, ldx, m, k); break;
    case IDF_BF16: stream_as(out, ldo, weight, none, IDF_BF16, 0, n, x, ldx, m, k); break;
    case IDF_F16: stream_as(out, ldo, weight, none, IDF_F16, 0, n, x, ldx, m, k); break;
    case IDF_NF4: stream_as(out, ldo, weight, absmax, IDF_NF4, 0, n, x, ldx, m, k); break;
    default: break;
    }
}

static void stream_nf4(float *out, int64_t ldo, const uint8_t *codes, const float *absmax, int64_t n, const float *x,
                       int64_t m, int64_t k) {
    stream_as(out, ldo, (const char *)codes, absmax, IDF_NF4, 1, n, x, k, m, k);
}

// MARK: - Epilogue

/// n features of one row, n <= LANES.
IDF_INLINE void finish_lanes(const idf_linear_job *job, float *y, const float *residual, int64_t column, int64_t n,
                             vf value) {
#define LOAD(p) (n == LANES ? v_load(p) : v_load_n(p, n))
    if (job->bias != NULL) value = v_add(value, LOAD(job->bias + column));
    value = v_activate(value, job->activation);
    if (job->scale != NULL) {
        value = v_mul(value, job->scale_count == 1 ? v_set(job->scale[0]) : LOAD(job->scale + column));
    }
    if (residual != NULL) value = v_add(value, LOAD(residual + column));
#undef LOAD
    if (n == LANES) {
        v_store(y + column, value);
    } else {
        v_store_n(y + column, value, n);
    }
}

static void finish(const idf_linear_job *job, int64_t row, int64_t column, int64_t columns, const float *product) {
    float *y = job->y + row * job->ldy;
    const float *residual = job->residual != NULL ? job->residual + row * job->ldy : NULL;
    int64_t j = 0;
    for (; j + LANES <= columns; j += LANES) finish_lanes(job, y, residual, column + j, LANES, v_load(product + j));
    if (j < columns) finish_lanes(job, y, residual, column + j, columns - j, v_load_n(product + j, columns - j));
}

const idf_linear_kernels IDF_NAME(idf_linear) = {
    .tile_rows = TILE_ROWS,
    .tile_columns = TILE_COLUMNS,
    .block_columns = BLOCK_COLUMNS,
    .stream_rows = STREAM_ROWS_LIMIT,
    .pack_x = pack_x,
    .pack_weight = pack_weight,
    .pack_quantized = pack_quantized,
    .tile = tile,
    .stream = stream,
    .split_x = split_x,
    .stream_nf4 = stream_nf4,
    .finish = finish,
};
