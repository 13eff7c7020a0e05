// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: backward loops over rows and elements, and the packing of the backward products, over the vectors of one
// instruction set (include a vectors_*.h first).

#include "../gradients.h"
#include "elements.h"
#include "math.h"
#include "pack.h"
#include "tile.h"

extern void IDF_NAME(idf_attention_backward)(const idf_attention_shape *shape, const idf_attention_gradient_part *part,
                                             float *scratch);
extern int64_t IDF_NAME(idf_attention_backward_scratch)(int64_t head_dim, int64_t queries);

// MARK: - Packing

IDF_INLINE void pack_steps_as(float *out, const char *weight, idf_dtype dtype, int64_t ld, int64_t steps, int64_t columns) {
    const int64_t row_bytes = ld * (int64_t)idf_dtype_size(dtype);
    for (int64_t l = 0; l < steps; l++, weight += row_bytes) {
        float *tile = out + l * TILE_COLUMNS;
        int64_t j = 0;
        for (; j + TILE_COLUMNS <= columns; j += TILE_COLUMNS, tile += steps * TILE_COLUMNS) {
            v_store(tile, load_weight(weight, dtype, j, LANES));
            v_store(tile + LANES, load_weight(weight, dtype, j + LANES, LANES));
        }
        if (j == columns) continue;
        for (int64_t v = 0; v < TILE_COLUMNS; v += LANES) {
            const int64_t rest = idf_min(LANES, columns - j - v);
            v_store(tile + v, rest <= 0 ? v_zero() : load_weight(weight, dtype, j + v, rest));
        }
    }
}

static void pack_steps(float *out, const void *weight, idf_dtype dtype, int64_t ld, int64_t steps, int64_t columns) {
    switch (dtype) {
    case IDF_F32: pack_steps_as(out, weight, IDF_F32, ld, steps, columns); break;
    case IDF_BF16: pack_steps_as(out, weight, IDF_BF16, ld, steps, columns); break;
    case IDF_F16: pack_steps_as(out, weight, IDF_F16, ld, steps, columns); break;
    default: break;
    }
}

// MARK: - Sums

/// Adds a vector of which the first lanes count into one of four sums.
IDF_INLINE float sum_four(const vf sums[4]) { return v_sum(v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3]))); }

IDF_INLINE float sum_products(const float *a, const float *b, int64_t n) {
    vf sums[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
#pragma clang loop unroll(full)
        for (int j = 0; j < 4; j++) sums[j] = v_fma(v_load(a + i + j * LANES), v_load(b + i + j * LANES), sums[j]);
    }
    for (; i + LANES <= n; i += LANES) sums[0] = v_fma(v_load(a + i), v_load(b + i), sums[0]);
    if (i < n) sums[1] = v_fma(v_load_n(a + i, n - i), v_load_n(b + i, n - i), sums[1]);
    return sum_four(sums);
}

static double dot(const float *a, const float *b, int64_t n) {
    // Pieces short enough that f32 sums of a lane stay accurate.
    enum { PIECE = 1024 };
    double sum = 0;
    for (int64_t i = 0; i < n; i += PIECE) sum += sum_products(a + i, b + i, idf_min(PIECE, n - i));
    return sum;
}

static void add_product(float *y, const float *a, const float *b, int64_t n) {
    if (b == NULL) {
#define BODY(LOAD, STORE) STORE(y, v_add(LOAD(y), LOAD(a)));
        FOR_VECTORS(n, BODY);
#undef BODY
        return;
    }
#define BODY(LOAD, STORE) STORE(y, v_fma(LOAD(a), LOAD(b), LOAD(y)));
    FOR_VECTORS(n, BODY);
#undef BODY
}

// MARK: - Norms

static void rms_norm(float *dx, float *dweight, const float *dy, const float *x, const float *weight, float eps,
                     int64_t rows, int64_t n) {
    for (int64_t row = 0; row < rows; row++, x += n, dy += n, dx = dx == NULL ? NULL : dx + n) {
        const float factor = 1 / sqrtf(sum_products(x, x, n) / (float)n + eps);
        const vf f = v_set(factor);
        if (dweight != NULL) {
#define BODY(LOAD, STORE) STORE(dweight, v_fma(LOAD(dy), v_mul(LOAD(x), f), LOAD(dweight)));
            FOR_VECTORS(n, BODY);
#undef BODY
        }
        if (dx == NULL) continue;
        vf sum = v_zero();
#define BODY(LOAD, STORE) sum = v_fma(v_mul(LOAD(dy), LOAD(weight)), LOAD(x), sum);
        FOR_VECTORS(n, BODY);
#undef BODY
        const vf mean = v_set(v_sum(sum) / (float)n * factor * factor);
#define BODY(LOAD, STORE) STORE(dx, v_mul(f, v_sub(v_mul(LOAD(dy), LOAD(weight)), v_mul(LOAD(x), mean))));
        FOR_VECTORS(n, BODY);
#undef BODY
    }
}

static void layer_norm(float *dx, float *dweight, float *dbias, const float *dy, const float *x, const float *weight,
                       float eps, int64_t rows, int64_t n) {
    for (int64_t row = 0; row < rows; row++, x += n, dy += n, dx = dx == NULL ? NULL : dx + n) {
        vf sum = v_zero(), squares = v_zero();
#define BODY(LOAD, STORE) sum = v_add(sum, LOAD(x));
        FOR_VECTORS(n, BODY);
#undef BODY
        const float mean = v_sum(sum) / (float)n;
        const vf center = v_set(mean);
        int64_t whole = n / LANES * LANES;
        for (int64_t i = 0; i < whole; i += LANES) {
            const vf d = v_sub(v_load(x + i), center);
            squares = v_fma(d, d, squares);
        }
        float variance = v_sum(squares);
        for (int64_t i = whole; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
        const float factor = 1 / sqrtf(variance / (float)n + eps);
        const vf f = v_set(factor);
        if (dbias != NULL) add_product(dbias, dy, NULL, n);
        if (dweight != NULL) {
#define BODY(LOAD, STORE) STORE(dweight, v_fma(LOAD(dy), v_mul(v_sub(LOAD(x), center), f), LOAD(dweight)));
            FOR_VECTORS(n, BODY);
#undef BODY
        }
        if (dx == NULL) continue;
        vf plain = v_zero(), along = v_zero();
        // Missing lanes of dy are 0, so they add nothing to either sum.
#define BODY(LOAD, STORE)                         \
    const vf g = v_mul(LOAD(dy), LOAD(weight));   \
    plain = v_add(plain, g);                      \
    along = v_fma(g, v_sub(LOAD(x), center), along);
        FOR_VECTORS(n, BODY);
#undef BODY
        const vf first = v_set(v_sum(plain) / (float)n), second = v_set(v_sum(along) / (float)n * factor * factor);
#define BODY(LOAD, STORE)                                                \
    const vf g = v_sub(v_mul(LOAD(dy), LOAD(weight)), first);            \
    STORE(dx, v_mul(f, v_sub(g, v_mul(v_sub(LOAD(x), center), second))));
        FOR_VECTORS(n, BODY);
#undef BODY
    }
}

// MARK: - Activations

/// σ(x) without overflow.
IDF_INLINE vf v_sigmoid(vf x) {
    const vf one = v_set(1), e = v_exp_negative(v_sub(v_zero(), v_abs(x)));
    return v_div(v_select(v_less(x, v_zero()), e, one), v_add(one, e));
}

/// (x · σ(cx))' = σ(cx) · (1 + cx · (1 − σ(cx))).
IDF_INLINE vf v_silu_slope(vf x, float c) {
    const vf z = v_mul(x, v_set(c)), s = v_sigmoid(z);
    return v_mul(s, v_fma(z, v_sigmoid(v_sub(v_zero(), z)), v_set(1)));
}

/// Φ(x) + x · φ(x). Φ comes from gelu(x) / x, but for x near 0, where both gelu and Φ − ½ are proportional to x.
IDF_INLINE vf v_gelu_slope(vf x) {
    const vf square = v_mul(x, x);
    const vf density = v_mul(v_exp_negative(v_mul(square, v_set(-0.5f))), v_set(0.3989422804f));
    const vf near = v_fma(v_mul(x, v_set(0.3989422804f)), v_fma(square, v_set(-1.0f / 6), v_set(1)), v_set(0.5f));
    const vm is_near = v_less(v_abs(x), v_set(0.01f));
    const vf distribution = v_select(is_near, near, v_div(v_gelu(x), v_select(is_near, v_set(1), x)));
    return v_fma(x, density, distribution);
}

IDF_INLINE vf v_slope(vf x, idf_activation activation) {
    switch (activation) {
    case IDF_ACT_RELU: return v_select(v_less(v_zero(), x), v_set(1), v_zero());
    case IDF_ACT_GELU: return v_gelu_slope(x);
    case IDF_ACT_SILU: return v_silu_slope(x, 1);
    case IDF_ACT_QUICK_GELU: return v_silu_slope(x, 1.702f);
    case IDF_ACT_NONE: break;
    }
    return v_set(1);
}

IDF_INLINE void activate_as(float *dx, const float *dy, const float *x, idf_activation activation, int64_t n) {
#define BODY(LOAD, STORE) STORE(dx, v_mul(LOAD(dy), v_slope(LOAD(x), activation)));
    FOR_VECTORS(n, BODY);
#undef BODY
}

static void activate(float *dx, const float *dy, const float *x, idf_activation activation, int64_t n) {
    switch (activation) {
    case IDF_ACT_NONE: activate_as(dx, dy, x, IDF_ACT_NONE, n); break;
    case IDF_ACT_RELU: activate_as(dx, dy, x, IDF_ACT_RELU, n); break;
    case IDF_ACT_GELU: activate_as(dx, dy, x, IDF_ACT_GELU, n); break;
    case IDF_ACT_SILU: activate_as(dx, dy, x, IDF_ACT_SILU, n); break;
    case IDF_ACT_QUICK_GELU: activate_as(dx, dy, x, IDF_ACT_QUICK_GELU, n); break;
    }
}

static void swiglu(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n) {
#define BODY(LOAD, STORE)                                       \
    const vf g = LOAD(gate), d = LOAD(dy);                      \
    STORE(dgate, v_mul(v_mul(d, LOAD(up)), v_silu_slope(g, 1))); \
    STORE(dup, v_mul(d, v_silu(g)));
    FOR_VECTORS(n, BODY);
#undef BODY
}

// MARK: - Cross-entropy

static float cross_entropy(float *logits, float *logsumexp, int64_t target, float loss_factor, float z_factor,
                           int is_gradient, int64_t n) {
    vf best = v_set(-INFINITY);
    int64_t whole = n / LANES * LANES;
    for (int64_t i = 0; i < whole; i += LANES) best = v_max(best, v_load(logits + i));
    float largest = v_largest(best);
    for (int64_t i = whole; i < n; i++) largest = logits[i] > largest ? logits[i] : largest;
    const vf shift = v_set(largest);
    vf sum = v_zero();
    for (int64_t i = 0; i < whole; i += LANES) sum = v_add(sum, v_exp_negative(v_sub(v_load(logits + i), shift)));
    double total = v_sum(sum);
    for (int64_t i = whole; i < n; i++) total += exp((double)logits[i] - largest);
    const double lse = largest + log(total);
    *logsumexp = (float)lse;
    const float loss = target < 0 ? 0 : (float)(lse - logits[target]);
    if (is_gradient) {
        const float factor = (float)((loss_factor + 2.0 * z_factor * lse) / total);
        const vf f = v_set(factor);
#define BODY(LOAD, STORE) STORE(logits, v_mul(v_exp_negative(v_sub(LOAD(logits), shift)), f));
        FOR_VECTORS(n, BODY);
#undef BODY
        if (target >= 0) logits[target] -= loss_factor;
    }
    return loss;
}

// MARK: - Optimizer

static void adamw(float *p, float *m, float *v, const float *gradient, const idf_adamw_factors *factors, int64_t n) {
    const vf scale = v_set(factors->gradient), rest1 = v_set(factors->rest1), beta2 = v_set(factors->beta2);
    const vf rest2 = v_set(factors->rest2), keep = v_set(factors->keep), rate = v_set(factors->rate);
    const vf root = v_set(factors->root), eps = v_set(factors->eps);
#define BODY(LOAD, STORE)                                                               \
    const vf g = v_mul(LOAD(gradient), scale);                                          \
    const vf first = v_fma(rest1, v_sub(g, LOAD(m)), LOAD(m));                          \
    const vf second = v_fma(v_mul(rest2, g), g, v_mul(LOAD(v), beta2));                 \
    const vf change = v_mul(rate, v_div(first, v_fma(v_sqrt(second), root, eps)));      \
    STORE(m, first);                                                                    \
    STORE(v, second);                                                                   \
    STORE(p, v_sub(v_mul(LOAD(p), keep), change));
    FOR_VECTORS(n, BODY);
#undef BODY
}

static float quantize_dynamic(uint8_t *restrict codes, const float *x, const idf_dynamic_levels *levels, int64_t n) {
    vf best = v_zero();
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) best = v_max(best, v_abs(v_load(x + i)));
    if (i < n) best = v_max(best, v_abs(v_load_n(x + i, n - i)));
    const float largest = v_largest(best), inverse = idf_dynamic_inverse(largest);
    const vf factor = v_set(inverse);
    float magnitudes[IDF_DYNAMIC_BLOCK];
#define BODY(LOAD, STORE) STORE(magnitudes, v_mul(v_abs(LOAD(x)), factor));
    FOR_VECTORS(n, BODY);
#undef BODY
    for (int64_t j = 0; j < n; j++) {
        codes[j] = idf_dynamic_code(levels, idf_dynamic_magnitude(levels, magnitudes[j]), x[j] < 0);
    }
    return inverse == 0 ? 0 : largest;
}

// MARK: - Table

const idf_gradient_kernels IDF_NAME(idf_gradients) = {
    .pack_steps = pack_steps,
    .attention_scratch = IDF_NAME(idf_attention_backward_scratch),
    .attention = IDF_NAME(idf_attention_backward),
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
