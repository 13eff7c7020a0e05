// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "../gradients.h"
#include "reference.h"

static void rms_norm(float *dx, float *dweight, const float *dy, const float *x, const float *weight, float eps,
                     int64_t rows, int64_t n) {
    for (int64_t row = 0; row < rows; row++, x += n, dy += n, dx = dx == NULL ? NULL : dx + n) {
        double squares = 0, along = 0;
        for (int64_t i = 0; i < n; i++) squares += (double)x[i] * x[i];
        const double factor = 1 / sqrt(squares / (double)n + eps);
        for (int64_t i = 0; i < n; i++) {
            along += (double)dy[i] * weight[i] * x[i];
            if (dweight != NULL) dweight[i] += (float)(dy[i] * (x[i] * factor));
        }
        if (dx == NULL) continue;
        for (int64_t i = 0; i < n; i++) {
            dx[i] = (float)(factor * ((double)dy[i] * weight[i] - x[i] * along / (double)n * factor * factor));
        }
    }
}

static void layer_norm(float *dx, float *dweight, float *dbias, const float *dy, const float *x, const float *weight,
                       float eps, int64_t rows, int64_t n) {
    for (int64_t row = 0; row < rows; row++, x += n, dy += n, dx = dx == NULL ? NULL : dx + n) {
        double sum = 0, squares = 0, plain = 0, along = 0;
        for (int64_t i = 0; i < n; i++) sum += x[i];
        const double mean = sum / (double)n;
        for (int64_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
        const double factor = 1 / sqrt(squares / (double)n + eps);
        for (int64_t i = 0; i < n; i++) {
            plain += (double)dy[i] * weight[i];
            along += (double)dy[i] * weight[i] * (x[i] - mean) * factor;
            if (dweight != NULL) dweight[i] += (float)(dy[i] * (x[i] - mean) * factor);
            if (dbias != NULL) dbias[i] += dy[i];
        }
        if (dx == NULL) continue;
        for (int64_t i = 0; i < n; i++) {
            const double normed = (x[i] - mean) * factor;
            dx[i] = (float)(factor * ((double)dy[i] * weight[i] - plain / (double)n - normed * along / (double)n));
        }
    }
}

// MARK: - Elements

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/// (x · σ(cx))'
static double silu_slope(double x, double c) { return sigmoid(c * x) * (1 + c * x * (1 - sigmoid(c * x))); }

static double slope(double x, idf_activation activation) {
    switch (activation) {
    case IDF_ACT_RELU: return x > 0;
    case IDF_ACT_GELU: return 0.5 * erfc(-x * 0.70710678118654752) + x * exp(-x * x / 2) * 0.39894228040143268;
    case IDF_ACT_SILU: return silu_slope(x, 1);
    case IDF_ACT_QUICK_GELU: return silu_slope(x, 1.702);
    case IDF_ACT_NONE: break;
    }
    return 1;
}

static void activate(float *dx, const float *dy, const float *x, idf_activation activation, int64_t n) {
    for (int64_t i = 0; i < n; i++) dx[i] = (float)(dy[i] * slope(x[i], activation));
}

static void swiglu(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        dgate[i] = (float)((double)dy[i] * up[i] * silu_slope(gate[i], 1));
        dup[i] = (float)((double)dy[i] * gate[i] * sigmoid(gate[i]));
    }
}

static void add_product(float *y, const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += (float)(b != NULL ? (double)a[i] * b[i] : a[i]);
}

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

static float cross_entropy(float *logits, float *logsumexp, int64_t target, float loss_factor, float z_factor,
                           int is_gradient, int64_t n) {
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) largest = logits[i] > largest ? logits[i] : largest;
    for (int64_t i = 0; i < n; i++) sum += exp(logits[i] - largest);
    const double lse = largest + log(sum);
    *logsumexp = (float)lse;
    const float loss = target < 0 ? 0 : (float)(lse - logits[target]);
    for (int64_t i = 0; is_gradient && i < n; i++) {
        const double p = exp(logits[i] - lse);
        logits[i] = (float)(p * (loss_factor + 2.0 * z_factor * lse) - (i == target ? loss_factor : 0));
    }
    return loss;
}

static void adamw(float *p, float *m, float *v, const float *gradient, const idf_adamw_factors *factors, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const double g = gradient[i] * factors->gradient;
        m[i] = (float)(m[i] + factors->rest1 * (g - m[i]));
        v[i] = (float)((double)v[i] * factors->beta2 + factors->rest2 * g * g);
        p[i] = (float)((double)p[i] * factors->keep - factors->rate * (m[i] / (sqrt(v[i]) * factors->root + factors->eps)));
    }
}

static float quantize_dynamic(uint8_t *codes, const float *x, const idf_dynamic_levels *levels, int64_t n) {
    float largest = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) <= largest)) largest = fabsf(x[i]);
    }
    const float inverse = idf_dynamic_inverse(largest);
    for (int64_t i = 0; i < n; i++) {
        const float magnitude = fabsf(x[i]) * inverse;
        int level = 0; // how many boundaries are below; all for NaN
        while (level + 1 < levels->count && !(magnitude <= levels->boundaries[level])) level++;
        codes[i] = idf_dynamic_code(levels, level, x[i] < 0);
    }
    return inverse == 0 ? 0 : largest;
}

const idf_gradient_kernels idf_gradients_reference = {
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .swiglu = swiglu,
    .activate = activate,
    .add_product = add_product,
    .dot = dot,
    .cross_entropy = cross_entropy,
    .adamw = adamw,
    .quantize_dynamic = quantize_dynamic,
};

// MARK: - Linear

typedef struct context {
    const idf_linear_gradient *products;
    int64_t count, m, n, k, lddy, ldx;
    const float *dy;
    const void *x;
    idf_dtype dtype; ///< of x
    float *out;
    int accumulate, bf16;
} context;

/// Task: one row of dx. All weights are dequantized for each: this is the definition, not the way.
static void input_row(void *argument, int64_t i, int thread) {
    (void)thread;
    const context *c = argument;
    double *sums = (double *)(void *)idf_scratch(IDF_SCRATCH_TASK, 2 * c->k + IDF_BLOCK_ROWS * c->k);
    float *values = (float *)(sums + c->k);
    for (int64_t l = 0; l < c->k; l++) sums[l] = 0;
    for (int64_t p = 0; p < c->count; p++) {
        const idf_linear_gradient *product = &c->products[p];
        for (int64_t j = 0; j < product->n; j++) {
            const int64_t first = j / IDF_BLOCK_ROWS * IDF_BLOCK_ROWS;
            if (idf_is_quantized(product->dtype) && j == first) {
                idf_dequantize_rows(&idf_formats_reference, values, product->weight, product->scales, product->dtype, j,
                                    idf_min(IDF_BLOCK_ROWS, product->n - j), c->k);
            }
            for (int64_t l = 0; l < c->k; l++) {
                const float weight = idf_is_quantized(product->dtype)
                                         ? values[(j - first) * c->k + l]
                                         : idf_element_reference(product->weight, product->dtype, j * c->k + l);
                sums[l] += (double)idf_round_reference(product->dy[i * product->lddy + j], c->bf16) *
                           idf_round_reference(weight, c->bf16);
            }
        }
    }
    for (int64_t l = 0; l < c->k; l++) c->out[i * c->k + l] = (float)sums[l];
}

void idf_linear_backward_input_reference(float *dx, const idf_linear_gradient *products, int64_t count, int64_t m,
                                         int64_t k, int bf16) {
    context c = {.products = products, .count = count, .k = k, .out = dx, .bf16 = bf16};
    idf_parallel(m, input_row, &c);
}

/// Task: one row of dweight.
static void weight_row(void *argument, int64_t j, int thread) {
    (void)thread;
    const context *c = argument;
    for (int64_t l = 0; l < c->k; l++) {
        double sum = c->accumulate ? c->out[j * c->k + l] : 0;
        for (int64_t i = 0; i < c->m; i++) {
            sum += (double)idf_round_reference(c->dy[i * c->lddy + j], c->bf16) *
                   idf_round_reference(idf_element_reference(c->x, c->dtype, i * c->ldx + l), c->bf16);
        }
        c->out[j * c->k + l] = (float)sum;
    }
}

void idf_linear_backward_weight_reference(float *dweight, const float *dy, int64_t lddy, const void *x, idf_dtype dtype,
                                          int64_t ldx, int64_t m, int64_t n, int64_t k, int accumulate, int bf16) {
    context c = {.m = m, .k = k, .lddy = lddy, .ldx = ldx, .dy = dy, .x = x, .dtype = dtype, .out = dweight,
                 .accumulate = accumulate, .bf16 = bf16};
    idf_parallel(n, weight_row, &c);
}
