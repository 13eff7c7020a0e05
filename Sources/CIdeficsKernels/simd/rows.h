// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: norms, element-wise operations, casts and reductions over the vectors of one instruction set, and the table.

#include "elements.h"
#include "math.h"

// MARK: - Norms

/// Sum of (x − center)²; missing lanes of the last vector count as `center`.
IDF_INLINE float sum_squares(const float *x, float center, int64_t n) {
    const vf middle = v_set(center);
    vf sums[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
#pragma clang loop unroll(full)
        for (int j = 0; j < 4; j++) {
            const vf d = v_sub(v_load(x + i + j * LANES), middle);
            sums[j] = v_fma(d, d, sums[j]);
        }
    }
    for (; i + LANES <= n; i += LANES) {
        const vf d = v_sub(v_load(x + i), middle);
        sums[0] = v_fma(d, d, sums[0]);
    }
    float sum = v_sum(v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3])));
    for (; i < n; i++) sum += (x[i] - center) * (x[i] - center);
    return sum;
}

IDF_INLINE float sum_of(const float *x, int64_t n) {
    vf sums[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
#pragma clang loop unroll(full)
        for (int j = 0; j < 4; j++) sums[j] = v_add(sums[j], v_load(x + i + j * LANES));
    }
    for (; i + LANES <= n; i += LANES) sums[0] = v_add(sums[0], v_load(x + i));
    if (i < n) sums[1] = v_add(sums[1], v_load_n(x + i, n - i));
    return v_sum(v_add(v_add(sums[0], sums[1]), v_add(sums[2], sums[3])));
}

static void rms_norm(float *y, const float *x, const float *weight, float eps, int64_t rows, int64_t n) {
    for (int64_t row = 0; row < rows; row++, x += n, y += n) {
        const vf factor = v_set(1 / sqrtf(sum_squares(x, 0, n) / (float)n + eps));
#define BODY(LOAD, STORE) STORE(y, v_mul(LOAD(weight), v_mul(LOAD(x), factor)));
        FOR_VECTORS(n, BODY);
#undef BODY
    }
}

static void layer_norm(float *y, const float *x, const float *weight, const float *bias, float eps, int64_t rows,
                       int64_t n) {
    for (int64_t row = 0; row < rows; row++, x += n, y += n) {
        const float mean = sum_of(x, n) / (float)n;
        const vf center = v_set(mean), factor = v_set(1 / sqrtf(sum_squares(x, mean, n) / (float)n + eps));
#define BODY(LOAD, STORE)                                                  \
    const vf scaled = v_mul(v_mul(v_sub(LOAD(x), center), factor), LOAD(weight)); \
    STORE(y, bias != NULL ? v_add(scaled, LOAD(bias)) : scaled);
        FOR_VECTORS(n, BODY);
#undef BODY
    }
}

static void rotate(float *x, const float *cosine, const float *sine, int64_t heads, int64_t head_dim) {
    const int64_t half = head_dim / 2;
    for (int64_t head = 0; head < heads; head++, x += head_dim) {
        float *first = x, *second = x + half;
#define BODY(LOAD, STORE)                                                  \
    const vf a = LOAD(first), b = LOAD(second), c = LOAD(cosine), s = LOAD(sine); \
    STORE(first, v_sub(v_mul(a, c), v_mul(b, s)));                         \
    STORE(second, v_fma(b, c, v_mul(a, s)));
        FOR_VECTORS(half, BODY);
#undef BODY
    }
}

// MARK: - Element-wise

static void swiglu(float *y, const float *gate, const float *up, int64_t n) {
#define BODY(LOAD, STORE) STORE(y, v_mul(v_silu(LOAD(gate)), LOAD(up)));
    FOR_VECTORS(n, BODY);
#undef BODY
}

IDF_INLINE void activate_as(float *y, const float *x, idf_activation activation, int64_t n) {
#define BODY(LOAD, STORE) STORE(y, v_activate(LOAD(x), activation));
    FOR_VECTORS(n, BODY);
#undef BODY
}

static void activate(float *y, const float *x, idf_activation activation, int64_t n) {
    switch (activation) {
    case IDF_ACT_NONE: activate_as(y, x, IDF_ACT_NONE, n); break;
    case IDF_ACT_RELU: activate_as(y, x, IDF_ACT_RELU, n); break;
    case IDF_ACT_GELU: activate_as(y, x, IDF_ACT_GELU, n); break;
    case IDF_ACT_SILU: activate_as(y, x, IDF_ACT_SILU, n); break;
    case IDF_ACT_QUICK_GELU: activate_as(y, x, IDF_ACT_QUICK_GELU, n); break;
    }
}

static void add(float *y, const float *a, const float *b, int64_t n) {
#define BODY(LOAD, STORE) STORE(y, v_add(LOAD(a), LOAD(b)));
    FOR_VECTORS(n, BODY);
#undef BODY
}

// MARK: - Casts

static void to_f32(float *y, const void *x, idf_dtype dtype, int64_t n) {
    const uint16_t *halves = x;
    int64_t i = 0;
    switch (dtype) {
    default: memcpy(y, x, (size_t)n * sizeof(float)); return;
    case IDF_BF16:
        for (; i + LANES <= n; i += LANES) v_store(y + i, v_load_bf16(halves + i));
        if (i < n) v_store_n(y + i, v_load_bf16_n(halves + i, n - i), n - i);
        return;
    case IDF_F16:
        for (; i + LANES <= n; i += LANES) v_store(y + i, v_load_f16(halves + i));
        if (i < n) v_store_n(y + i, v_load_f16_n(halves + i, n - i), n - i);
        return;
    }
}

static void from_f32(void *y, const float *x, idf_dtype dtype, int64_t n) {
    uint16_t *halves = y, rest[LANES];
    int64_t i = 0;
    switch (dtype) {
    default: memcpy(y, x, (size_t)n * sizeof(float)); return;
    case IDF_BF16:
        for (; i + LANES <= n; i += LANES) v_store_bf16(halves + i, v_load(x + i));
        if (i < n) v_store_bf16(rest, v_load_n(x + i, n - i));
        break;
    case IDF_F16:
        for (; i + LANES <= n; i += LANES) v_store_f16(halves + i, v_load(x + i));
        if (i < n) v_store_f16(rest, v_load_n(x + i, n - i));
        break;
    }
    if (i < n) memcpy(halves + i, rest, (size_t)(n - i) * sizeof rest[0]);
}

// MARK: - Reductions

/// The largest element that is not NaN; -inf when there is none.
IDF_INLINE float largest_of(const float *x, int64_t n) {
    const vf least = v_set(-INFINITY);
    vf best[4] = {least, least, least, least};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
#pragma clang loop unroll(full)
        for (int j = 0; j < 4; j++) best[j] = v_max(v_load(x + i + j * LANES), best[j]);
    }
    for (; i + LANES <= n; i += LANES) best[0] = v_max(v_load(x + i), best[0]);
    float largest = v_largest(v_max(v_max(best[0], best[1]), v_max(best[2], best[3])));
    for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

static int64_t argmax(const float *x, int64_t n) {
    const float largest = largest_of(x, n);
    const vf wanted = v_set(largest);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const unsigned equal = v_equal_bits(v_load(x + i), wanted);
        if (equal != 0) return i + __builtin_ctz(equal);
    }
    for (; i < n; i++) {
        if (x[i] == largest) return i;
    }
    return -1;
}

static void log_softmax(float *y, const float *x, int64_t n) {
    const float largest = largest_of(x, n);
    const vf shift = v_set(largest);
    double sum = 0;
    for (int64_t begin = 0; begin < n; begin += 16 * LANES) {
        // Short f32 vectors, then f64: 4 sums in parallel hide the latency.
        float weights[16 * LANES];
        const int64_t count = idf_min(16 * LANES, n - begin);
        const float *part = x + begin;
#define BODY(LOAD, STORE) STORE(weights, v_exp_negative(v_sub(LOAD(part), shift)));
        FOR_VECTORS(count, BODY);
#undef BODY
        double sums[4] = {0};
        int64_t j = 0;
        for (; j + 4 <= count; j += 4) {
            for (int lane = 0; lane < 4; lane++) sums[lane] += weights[j + lane];
        }
        for (; j < count; j++) sums[0] += weights[j];
        sum += (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
    const double logarithm = log(sum);
    for (int64_t i = 0; i < n; i++) y[i] = (float)((double)x[i] - largest - logarithm);
}

// MARK: - Limits

static uint64_t limit_read(const void *p, size_t bytes) {
    // Four streams and prefetching: page walks overlap, which one stream of 4 KiB pages would wait for.
    enum { STREAMS = 4, AHEAD = 1024 };
    const float *words = p;
    const int64_t part = (int64_t)(bytes / sizeof(float)) / (STREAMS * LANES) * LANES;
    vf sums[STREAMS];
    for (int j = 0; j < STREAMS; j++) sums[j] = v_zero();
    for (int64_t i = 0; i < part; i += LANES) {
#pragma clang loop unroll(full)
        for (int j = 0; j < STREAMS; j++) {
            const float *next = words + j * part + i;
            __builtin_prefetch((const char *)next + AHEAD, 0, 3);
            sums[j] = v_xor(sums[j], v_load(next));
        }
    }
    for (int j = 1; j < STREAMS; j++) sums[0] = v_xor(sums[0], sums[j]);
    uint64_t result[LANES / 2], rest = 0;
    memcpy(result, &sums[0], sizeof result);
    for (size_t at = (size_t)(STREAMS * part) * sizeof(float); at < bytes; at++) rest += ((const unsigned char *)p)[at];
    for (int j = 0; j < LANES / 2; j++) rest ^= result[j];
    return rest;
}

static double limit_fma(int64_t iterations) {
    enum { CHAINS = 12 };
    vf sums[CHAINS];
#pragma clang loop unroll(full)
    for (int j = 0; j < CHAINS; j++) sums[j] = v_set((float)j);
    const vf factor = v_set(0.999f), term = v_set(0.001f);
    for (int64_t i = 0; i < iterations; i++) {
#pragma clang loop unroll(full)
        for (int j = 0; j < CHAINS; j++) sums[j] = v_fma(sums[j], factor, term);
    }
    volatile float sink;
    for (int j = 0; j < CHAINS; j++) sink = v_sum(sums[j]);
    (void)sink;
    return 2.0 * CHAINS * LANES * (double)iterations;
}

// MARK: - Table

extern const idf_linear_kernels IDF_NAME(idf_linear);
extern const idf_attention_kernels IDF_NAME(idf_attention);
extern const idf_format_kernels IDF_NAME(idf_formats);
extern const idf_gradient_kernels IDF_NAME(idf_gradients);

const idf_kernels IDF_NAME(idf_kernels) = {
    .linear = &IDF_NAME(idf_linear),
    .attention = &IDF_NAME(idf_attention),
    .formats = &IDF_NAME(idf_formats),
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .rotate = rotate,
    .swiglu = swiglu,
    .activate = activate,
    .add = add,
    .to_f32 = to_f32,
    .from_f32 = from_f32,
    .argmax = argmax,
    .log_softmax = log_softmax,
    .limit_read = limit_read,
    .limit_fma = limit_fma,
    .gradients = &IDF_NAME(idf_gradients),
};
