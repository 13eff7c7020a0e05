// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of backward inner loops that each instruction set fills in (see kernels.h).

#pragma once

#include "dynamic.h"
#include "idefics_gradients.h"
#include "kernels.h"

#pragma clang assume_nonnull begin

/// Part of attention's gradient that one task computes: all queries of a cluster of segments, one head of keys.
typedef struct idf_attention_gradient_part {
    const idf_attention_gradient *segments;
    int64_t count, kv_head;
} idf_attention_gradient_part;

/// Row j of a table of blocks of f32 rows, from float `offset` on.
static inline const float *idf_float_row(const void *_Nonnull const *_Nullable blocks, int64_t block_tokens, int64_t j,
                                         const idf_attention_shape *shape, int64_t offset) {
    return (const float *)(const void *)idf_block_row(blocks, block_tokens, j, shape->kv_stride) + offset;
}

/// Where that row's gradient lies in a table of the same layout.
static inline float *idf_gradient_row(float *_Nonnull const *_Nonnull blocks, int64_t block_tokens, int64_t j,
                                      const idf_attention_shape *shape, int64_t offset) {
    return blocks[j / block_tokens] + j % block_tokens * (shape->kv_stride / (int64_t)sizeof(float)) + offset;
}

/// The factors of a step of AdamW, worked out once: p = keep · p − rate · m / (root · √v + eps).
typedef struct idf_adamw_factors {
    float gradient, rest1, beta2, rest2, keep, rate, root, eps;
} idf_adamw_factors;

idf_adamw_factors idf_adamw_factors_of(const idf_adamw_step *step);

struct idf_gradient_kernels {
    /// out [tile][steps][tile_columns] = weight [steps, columns] with `ld` between rows; missing columns become 0.
    /// NULL in the reference table, as is `attention`.
    void (*_Nullable pack_steps)(float *out, const void *weight, idf_dtype dtype, int64_t ld, int64_t steps,
                                 int64_t columns);
    /// Scratch floats for segments of at most `queries` queries.
    int64_t (*_Nullable attention_scratch)(int64_t head_dim, int64_t queries);
    void (*_Nullable attention)(const idf_attention_shape *shape, const idf_attention_gradient_part *part, float *scratch);
    /// dx (NULL: not wanted); dweight, dbias (NULL: not wanted) are added to.
    void (*rms_norm)(float *_Nullable dx, float *_Nullable dweight, const float *dy, const float *x, const float *weight,
                     float eps, int64_t rows, int64_t n);
    void (*layer_norm)(float *_Nullable dx, float *_Nullable dweight, float *_Nullable dbias, const float *dy,
                       const float *x, const float *weight, float eps, int64_t rows, int64_t n);
    void (*swiglu)(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n);
    void (*activate)(float *dx, const float *dy, const float *x, idf_activation activation, int64_t n);
    /// y += a, or y += a ⊙ b.
    void (*add_product)(float *y, const float *a, const float *_Nullable b, int64_t n);
    /// Σ a ⊙ b over a piece.
    double (*dot)(const float *a, const float *b, int64_t n);
    /// One row of idf_cross_entropy; returns its loss. loss_factor is 0 for a negative target.
    float (*cross_entropy)(float *logits, float *logsumexp, int64_t target, float loss_factor, float z_factor,
                           int is_gradient, int64_t n);
    void (*adamw)(float *p, float *m, float *v, const float *gradient, const idf_adamw_factors *factors, int64_t n);
    /// One block of idf_dynamic_quantize, at most IDF_DYNAMIC_BLOCK elements; returns its scale.
    float (*quantize_dynamic)(uint8_t *codes, const float *x, const idf_dynamic_levels *levels, int64_t n);
};

extern const idf_gradient_kernels idf_gradients_reference;

void idf_linear_backward_input_reference(float *dx, const idf_linear_gradient *products, int64_t count, int64_t m,
                                         int64_t k, int bf16);
void idf_linear_backward_weight_reference(float *dweight, const float *dy, int64_t lddy, const void *x, idf_dtype dtype,
                                          int64_t ldx, int64_t m, int64_t n, int64_t k, int accumulate, int bf16);
void idf_attention_backward_reference(const idf_attention_shape *shape, const idf_attention_gradient *segments,
                                      int64_t count);

#pragma clang assume_nonnull end
