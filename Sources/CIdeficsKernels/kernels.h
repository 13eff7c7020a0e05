// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the kernel library share: the table of inner loops that each instruction set fills in, and scratch
// memory. Inner loops run on one thread; the public functions cut the work and call them through the table.

#pragma once

#include <math.h>
#include <string.h>

#include "idefics_kernels.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

// MARK: - Inner loops

/// The blocks and loops of a packed matrix product, and of one that streams the weight past a few rows.
typedef struct idf_linear_kernels {
    int64_t tile_rows;    ///< rows of x in a tile at most
    int64_t tile_columns; ///< output features in a tile
    int64_t block_columns; ///< output features a task packs at most: block × depth floats stay in the L2 cache
    int64_t stream_rows;  ///< up to so many rows of x the weight is streamed, not packed
    /// out [k][rows] = x [rows, k]; `rows` <= tile_rows.
    void (*pack_x)(float *out, const float *x, int64_t ldx, int64_t rows, int64_t k);
    /// out [k][tile_columns] = weight [rows, k] with `k_total` between rows; missing rows become 0.
    void (*pack_weight)(float *out, const void *weight, idf_dtype dtype, int64_t k_total, int64_t rows, int64_t k);
    /// c [rows, tile_columns] (+)= a [k][rows] · b [k][tile_columns].
    void (*tile)(float *c, int64_t ldc, const float *a, const float *b, int64_t rows, int64_t k, int accumulate);
    /// out [m, n] = x [m, k] · weight [n, k]ᵀ without packing.
    void (*stream)(float *out, int64_t ldo, const void *weight, idf_dtype dtype, int64_t n, const float *x, int64_t ldx,
                   int64_t m, int64_t k);
    /// Bias, activation, scale and residual for `columns` features from `column` on of row `row`; writes y.
    void (*finish)(const idf_linear_job *job, int64_t row, int64_t column, int64_t columns, const float *product);
} idf_linear_kernels;

/// Sizes that all tasks of one attention share.
typedef struct idf_attention_shape {
    int64_t heads, kv_heads, head_dim;
    int64_t q_stride, out_stride, kv_stride;
    float scale;
} idf_attention_shape;

enum {
    IDF_ATTENTION_QUERIES = 128,   ///< queries of a task in the tiled form
    IDF_ATTENTION_KEYS = 128,      ///< keys of a tile, and of a task in the streamed form
    IDF_ATTENTION_HEADS = 32,      ///< heads of a task in the streamed form
    IDF_ATTENTION_FEW_QUERIES = 2, ///< up to so many queries keys are streamed, not packed
};

/// Part of a segment that one task computes.
typedef struct idf_attention_part {
    const idf_attention_segment *segment;
    int64_t query, query_end;
    int64_t head, head_end;
    int64_t key, key_end;
    float *_Nullable partial; ///< streamed form: results of all heads for these keys; NULL: tiled form
} idf_attention_part;

/// The loops of attention over one part of a segment.
typedef struct idf_attention_kernels {
    /// Scratch floats that either form needs.
    int64_t (*scratch)(int64_t head_dim);
    /// Several queries of one head over all their keys.
    void (*tiled)(const idf_attention_shape *shape, const idf_attention_part *part, float *scratch);
    /// One query, several heads, at most IDF_ATTENTION_KEYS keys. For each head, idf_attention_partial floats apart: the
    /// output before division by the sum of weights (head_dim floats), the largest score, and that sum.
    void (*streamed)(const idf_attention_shape *shape, const idf_attention_part *part, float *scratch);
} idf_attention_kernels;

/// Floats between the partial results of two heads.
static inline int64_t idf_attention_partial(int64_t head_dim) { return (head_dim + 2 + 15) / 16 * 16; }

/// Everything that exists once for each instruction set. NULL members of `linear` and `attention` mean: use the
/// reference loops.
typedef struct idf_kernels {
    idf_isa isa;
    const idf_linear_kernels *_Nullable linear;
    const idf_attention_kernels *_Nullable attention;
    void (*rms_norm)(float *y, const float *x, const float *weight, float eps, int64_t rows, int64_t n);
    void (*layer_norm)(float *y, const float *x, const float *weight, const float *_Nullable bias, float eps,
                       int64_t rows, int64_t n);
    /// Rotates all heads of one row; cosine and sine hold head_dim / 2 values.
    void (*rotate)(float *x, const float *cosine, const float *sine, int64_t heads, int64_t head_dim);
    void (*swiglu)(float *y, const float *gate, const float *up, int64_t n);
    void (*activate)(float *y, const float *x, idf_activation activation, int64_t n);
    void (*add)(float *y, const float *a, const float *b, int64_t n);
    void (*to_f32)(float *y, const void *x, idf_dtype dtype, int64_t n);
    void (*from_f32)(void *y, const float *x, idf_dtype dtype, int64_t n);
    int64_t (*argmax)(const float *x, int64_t n);
    void (*log_softmax)(float *y, const float *x, int64_t n);
    uint64_t (*limit_read)(const void *p, size_t bytes);
    double (*limit_fma)(int64_t iterations);
} idf_kernels;

extern const idf_kernels idf_kernels_reference;
#if defined(__x86_64__)
extern const idf_kernels idf_kernels_avx2;
extern const idf_kernels idf_kernels_avx512;
#elif defined(__aarch64__)
extern const idf_kernels idf_kernels_neon;
#endif

/// The table in use.
const idf_kernels *idf_kernels_current(void);
/// The table of the best instruction set the machine has, whatever is in use.
const idf_kernels *idf_kernels_best(void);

void idf_linear_reference(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k);
void idf_attention_reference(const idf_attention_shape *shape, const idf_attention_segment *segments, int64_t count);

// MARK: - Scratch memory

typedef enum idf_scratch_slot {
    IDF_SCRATCH_SHARED = 0, ///< of the calling thread, read by the tasks it starts
    IDF_SCRATCH_TASK = 1,   ///< of the thread that runs a task
} idf_scratch_slot;

/// `count` floats for the current thread, 64-byte aligned, contents undefined; kept until the thread ends.
float *idf_scratch(idf_scratch_slot slot, int64_t count);

// MARK: - Small things

static inline int64_t idf_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t idf_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t idf_divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline size_t idf_dtype_size(idf_dtype dtype) { return dtype == IDF_F32 ? 4 : 2; }

/// Address of row j of a block table; `head` floats into the row.
static inline const float *idf_block_row(const float *_Nonnull const *_Nullable blocks, int64_t block_tokens, int64_t j,
                                         int64_t stride, int64_t offset) {
    return blocks[j / block_tokens] + (j % block_tokens) * stride + offset;
}

/// Keys that query i of a segment sees.
static inline int64_t idf_visible_keys(const idf_attention_segment *segment, int64_t query) {
    if (segment->causal_past < 0) return segment->key_count;
    return idf_min(segment->key_count, segment->causal_past + query + 1);
}

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
