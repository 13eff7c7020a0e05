// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// The backward halves of the operations of idefics_kernels.h, and what else training needs. The same rules hold: f32,
// row-major, any alignment, outputs do not overlap inputs unless a comment allows it, sizes may be 0, results never
// depend on the number of threads, bit for bit. "dy" is the gradient of an operation's result.

#pragma once

#include "idefics_dynamic.h"
#include "idefics_kernels.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

// MARK: - Linear

/// One product y = x · weightᵀ seen from behind.
typedef struct idf_linear_gradient {
    const float *dy;              ///< [m, n], rows lddy apart
    int64_t lddy;
    const void *weight;           ///< [n, k] as in idf_linear_job
    idf_dtype dtype;
    const void *_Nullable scales; ///< of a quantized weight
    int64_t n;
} idf_linear_gradient;

/// dx [m, k] = Σ dyᵢ · weightᵢ over `count` products of the same input. Quantized weights count as the values of
/// idf_dequantize; they are expanded a block at a time. With `bf16`, dy and weights are rounded to it; sums are f32.
void idf_linear_backward_input(float *dx, const idf_linear_gradient *products, int64_t count, int64_t m, int64_t k, int bf16);

/// dweight [n, k] = dyᵀ · x, or, with `accumulate`, that added to it. dy [m, n] rows lddy apart, x [m, k] rows ldx apart,
/// f32 or bf16. With `bf16`, dy and x are rounded to it; sums are f32.
void idf_linear_backward_weight(float *dweight, const float *dy, int64_t lddy, const void *x, idf_dtype dtype, int64_t ldx,
                                int64_t m, int64_t n, int64_t k, int accumulate, int bf16);

/// sums [n] = Σ over rows of a, or of a ⊙ b; both [rows, n].
void idf_column_sums(float *sums, const float *a, const float *_Nullable b, int64_t rows, int64_t n);

/// Σ a ⊙ b over n elements, summed in f64 from pieces of fixed size.
double idf_dot(const float *a, const float *b, int64_t n);

/// y = scale ⊙ x, plus residual if there is one; scale_count is 1 or n; all [rows, n]; y may be x or residual.
void idf_scale_add(float *y, const float *x, const float *scale, int64_t scale_count, const float *_Nullable residual,
                   int64_t rows, int64_t n);

// MARK: - Attention

/// A segment of idf_attention seen from behind. Gradients of keys and values are added to what their blocks hold.
typedef struct idf_attention_gradient {
    idf_attention_segment segment; ///< `out` is the result, which is read
    const float *dout;             ///< like out
    float *_Nullable dq;           ///< like q but rows out_stride apart, written; NULL: not wanted
    float *_Nonnull const *_Nullable dk_blocks; ///< like k_blocks; NULL: not wanted (then dv_blocks too)
    float *_Nonnull const *_Nullable dv_blocks;
    int64_t cluster;               ///< segments that share blocks of keys follow each other and have the same number
} idf_attention_gradient;

/// Gradients of idf_attention with keys and values in f32, rows `kv_stride` floats apart. Scores are computed again, tile by tile, never stored.
void idf_attention_backward(const idf_attention_gradient *segments, int64_t count, int64_t heads, int64_t kv_heads,
                            int64_t head_dim, int64_t q_stride, int64_t out_stride, int64_t kv_stride, float scale);

// MARK: - Rows and elements

/// dx and, where wanted, dweight [n] of idf_rms_norm.
void idf_rms_norm_backward(float *_Nullable dx, float *_Nullable dweight, const float *dy, const float *x,
                           const float *weight, float eps, int64_t rows, int64_t n);
/// dx and, where wanted, dweight [n] and dbias [n] of idf_layer_norm.
void idf_layer_norm_backward(float *_Nullable dx, float *_Nullable dweight, float *_Nullable dbias, const float *dy,
                             const float *x, const float *weight, float eps, int64_t rows, int64_t n);
/// Gradients of idf_swiglu.
void idf_swiglu_backward(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n);
/// Gradient of idf_activate: dx = dy · act'(x); dx may be dy.
void idf_activate_backward(float *dx, const float *dy, const float *x, idf_activation activation, int64_t n);
/// y = tanh(x), of libm; y may be x.
void idf_tanh(float *y, const float *x, int64_t n);
/// dx = dy · (1 − y²) for y = tanh(x); dx may be dy.
void idf_tanh_backward(float *dx, const float *dy, const float *y, int64_t n);
/// table[ids[r]] += dy[r] for r in order; table [·, n], dy [rows, n]. Every id must be inside the table.
void idf_scatter_add(float *table, const float *dy, const int32_t *ids, int64_t rows, int64_t n);
/// y = x / (1 − p) where kept, 0 where dropped. Element i is dropped when a hash of (seed, offset + i) is below p of its
/// range, so that the same call repeats the same mask, and the gradient is the same call on dy. p in 0..<1; y may be x.
void idf_dropout(float *y, const float *x, double p, uint64_t seed, uint64_t offset, int64_t n);

// MARK: - Loss and optimizer

/// Cross-entropy of rows of logits [rows, n] (rows n apart). losses[r] = logsumexp − logit of targets[r], 0 for a
/// negative target; logsumexps[r] always. With `is_gradient` the logits become the gradient of
/// Σ loss_factor · losses[r] + Σ z_factors[r] · logsumexps[r]², where z_factors may be NULL.
void idf_cross_entropy(float *logits, float *losses, float *logsumexps, const int32_t *targets, float loss_factor,
                       const float *_Nullable z_factors, int is_gradient, int64_t rows, int64_t n);

/// One step of AdamW (Loshchilov and Hutter, arXiv:1711.05101) in the order of torch.
typedef struct idf_adamw_step {
    float learning_rate, beta1, beta2, eps, weight_decay;
    float gradient_scale; ///< multiplies the gradient first (clipping, averaging)
    int64_t step;         ///< counts from 1
} idf_adamw_step;

/// Updates n parameters and their moments in place.
void idf_adamw(float *parameters, float *first, float *second, const float *gradient, const idf_adamw_step *step, int64_t n);

/// The same with moments in 8 bits, block by block: idf_dynamic_dequantize (the first moment signed, the second unsigned),
/// idf_adamw, idf_dynamic_quantize, the same bits. Codes of 0 (127 and 0) with any scales are moments of 0.
void idf_adamw_8bit(float *parameters, uint8_t *first, float *first_scales, uint8_t *second, float *second_scales,
                    const float *gradient, const idf_adamw_step *step, int64_t n);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
