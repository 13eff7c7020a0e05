// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

static const char *const names[] = {"f32", "bf16", "f16", "int8", "int4"};

typedef struct call {
    idf_calibrated_weight weight;
    int64_t n;
    const float *inputs; ///< [tokens, k]
    int64_t tokens;
} call;

static size_t code_bytes(const call *c) { return (size_t)idf_quantized_bytes(c->weight.format, c->n, c->weight.k); }
static size_t scale_bytes(const call *c) { return (size_t)idf_scale_count(c->weight.format, c->n, c->weight.k) * 2; }

/// Scales first: they want the alignment.
static void run(void *context, void *out) {
    const call *c = context;
    idf_quantize_calibrated((char *)out + scale_bytes(c), out, &c->weight, c->n);
}

static void run_factor(void *context, void *out) {
    const call *c = context;
    const int64_t k = c->weight.k;
    double *factor = malloc((size_t)(k * k) * sizeof(double));
    float *hessian = malloc((size_t)(k * k) * sizeof(float));
    if (factor == NULL || hessian == NULL) abort();
    memcpy(hessian, c->weight.hessian, (size_t)(k * k) * sizeof(float));
    *(int32_t *)out = idf_factor_hessian(factor, hessian, k, 0.01);
    memcpy((char *)out + 4, factor, (size_t)(k * k) * sizeof(float));
    memcpy((char *)out + 4 + (size_t)(k * k) * sizeof(float), hessian, (size_t)(k * k) * sizeof(float));
    free(factor);
    free(hessian);
}

static float random_float(check *c) { return (float)(int32_t)(uint32_t)check_next(c) * 0x1p-31f; }

/// A hessian [k, k] of correlated inputs, as those of a layer are.
static float *make_hessian(check *c, int64_t k, int64_t tokens, const float **inputs) {
    float *x = check_random_floats(c, tokens * k), *hessian = check_floats(c, k * k);
    for (int64_t t = 0; t < tokens; t++) {
        const float common = 2 * random_float(c);
        for (int64_t i = 0; i < k; i++) x[t * k + i] = (x[t * k + i] + common) * (i % 7 == 0 ? 3 : 1);
    }
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++) {
            double sum = 0;
            for (int64_t t = 0; t < tokens; t++) sum += (double)x[t * k + i] * x[t * k + j];
            hessian[i * k + j] = (float)sum;
        }
    }
    *inputs = x;
    return hessian;
}

/// A call with everything but drift.
static call make(check *c, idf_dtype format, idf_dtype dtype, int64_t n, int64_t k) {
    call call = {.weight = {.format = format, .dtype = dtype, .k = k, .sweeps = 2}, .n = n, .tokens = k + 20};
    float *hessian = make_hessian(c, k, call.tokens, &call.inputs);
    double *factor = check_memory(c, (size_t)(k * k) * sizeof(double));
    idf_isa_select(IDF_ISA_REFERENCE);
    if (!idf_factor_hessian(factor, hessian, k, 0.01)) check_fail(c, "a hessian of %lld steps is not positive definite", (long long)k);
    call.weight.hessian = hessian;
    call.weight.factor = (float *)(void *)factor;
    call.weight.weight = check_random_weights(c, dtype, n * k);
    return call;
}

static void same_bits(check *c) {
    for (int i = 0; i < 24 && !c->failed; i++) {
        const idf_dtype format = i % 2 ? IDF_INT8 : IDF_INT4;
        const int64_t k = i < 2 ? 1 : i == 2 ? 513 : check_size(c, 130);
        call call = make(c, format, (idf_dtype)check_range(c, IDF_F32, IDF_F16), check_size(c, 40), k);
        if (i % 3 != 0) call.weight.drift = check_random_floats(c, call.n * k);
        call.weight.sweeps = i % 4;
        const size_t bytes = scale_bytes(&call) + (code_bytes(&call) + 3) / 4 * 4;
        void *expected = check_memory(c, bytes), *actual = check_memory(c, bytes);
        char name[128];
        snprintf(name, sizeof name, "%s n %lld k %lld", names[format], (long long)call.n, (long long)k);
        check_against_reference(c, run, &call, expected, actual, bytes, name);
        check_same(c, actual, expected, bytes, name);
        check_release(c);
    }
}

static void factor(check *c) {
    for (int i = 0; i < 12 && !c->failed; i++) {
        const int64_t k = i == 0 ? 1 : i == 1 ? 257 : check_size(c, 200);
        call call = {.weight.k = k};
        const float *inputs;
        call.weight.hessian = make_hessian(c, k, k / 2 + 1, &inputs); // singular until it is damped
        const size_t bytes = 4 + (size_t)(k * k) * 8;
        char *expected = check_memory(c, bytes), *actual = check_memory(c, bytes);
        check_against_reference(c, run_factor, &call, expected, actual, bytes, "factor");
        check_same(c, actual, expected, bytes, "factor");
        int32_t fine;
        memcpy(&fine, actual, 4);
        if (!fine) check_fail(c, "%lld steps: not positive definite", (long long)k);
        const float *u = (const float *)(const void *)(actual + 4), *damped = u + k * k;
        double trace = 0, largest = 0;
        for (int64_t a = 0; a < k; a++) trace += call.weight.hessian[a * k + a];
        for (int64_t a = 0; a < k; a++) largest = fmax(largest, damped[a * k + a]);
        for (int64_t a = 0; a < k; a++) {
            const double wanted = call.weight.hessian[a * k + a] + 0.01 * trace / (double)k;
            if (!(fabs(damped[a * k + a] - wanted) <= 1e-6 * wanted)) check_fail(c, "step %lld is damped to %g", (long long)a, damped[a * k + a]);
            for (int64_t b = 0; b <= a; b++) {
                // (U D Uᵀ)[b][a]: U[i][j] is element (j, i), and 1 on the diagonal.
                double sum = 0;
                for (int64_t j = a; j < k; j++) {
                    sum += (j == a ? 1 : u[j * k + a]) * (double)u[j * k + j] * (j == b ? 1 : u[j * k + b]);
                }
                if (!(fabs(sum - damped[a * k + b]) <= 1e-5 * largest)) {
                    check_fail(c, "element (%lld, %lld) of %lld steps comes out as %g, not %g", (long long)a, (long long)b, (long long)k, sum, damped[a * k + b]);
                }
            }
        }
        check_release(c);
    }
    float broken[4] = {1, 2, 2, 1}, nan[4] = {NAN, 0, 0, 1}, nothing[4] = {0};
    double memory[4];
    if (idf_factor_hessian(memory, broken, 2, 0)) check_fail(c, "an indefinite hessian passes");
    if (idf_factor_hessian(memory, nan, 2, 0.01)) check_fail(c, "NaN passes");
    if (!idf_factor_hessian(memory, nothing, 2, 0.01)) check_fail(c, "no inputs at all: a multiple of 1 would do");
}

/// Σ |(quantized − wanted) x|² over the inputs.
static double output_error(const call *call, const float *values, const float *wanted) {
    const int64_t k = call->weight.k;
    double sum = 0;
    for (int64_t row = 0; row < call->n; row++) {
        for (int64_t t = 0; t < call->tokens; t++) {
            double difference = 0;
            for (int64_t l = 0; l < k; l++) {
                difference += ((double)values[row * k + l] - wanted[row * k + l]) * call->inputs[t * k + l];
            }
            sum += difference * difference;
        }
    }
    return sum;
}

static const float *quantized_values(check *c, const call *call, int calibrated) {
    void *codes = check_memory(c, code_bytes(call)), *scales = check_memory(c, scale_bytes(call));
    float *values = check_floats(c, call->n * call->weight.k);
    if (calibrated) {
        idf_quantize_calibrated(codes, scales, &call->weight, call->n);
    } else {
        idf_quantize(codes, scales, call->weight.format, call->weight.weight, call->weight.dtype, call->n, call->weight.k);
    }
    idf_dequantize(values, codes, scales, call->weight.format, call->n, call->weight.k);
    return values;
}

/// What it is for: outputs are nearer than with plain rounding, nearer still after sweeps, and drift is made good.
static void pays(check *c) {
    enum { N = 32, K = 192 };
    for (int format = IDF_INT8; format <= IDF_INT4 && !c->failed; format++) {
        call call = make(c, (idf_dtype)format, IDF_F32, N, K);
        const float *weight = call.weight.weight;
        idf_isa_select(c->isa);
        const double plain = output_error(&call, quantized_values(c, &call, 0), weight);
        call.weight.sweeps = 0;
        const double ordered = output_error(&call, quantized_values(c, &call, 1), weight);
        call.weight.sweeps = 3;
        const double swept = output_error(&call, quantized_values(c, &call, 1), weight);
        if (!(ordered < 0.5 * plain)) check_fail(c, "%s: error %g, plain %g", names[format], ordered, plain);
        if (!(swept < 0.99 * ordered)) check_fail(c, "%s: error %g after sweeps, %g before", names[format], swept, ordered);

        // The inputs want another weight: the drift says so.
        float *wanted = check_random_floats(c, N * K), *drift = check_floats(c, N * K);
        for (int i = 0; i < N * K; i++) wanted[i] = weight[i] + 0.2f * wanted[i];
        for (int64_t row = 0; row < N; row++) {
            for (int64_t l = 0; l < K; l++) {
                double sum = 0;
                for (int64_t j = 0; j < K; j++) {
                    const double damped = call.weight.hessian[j * K + l];
                    sum += ((double)wanted[row * K + j] - weight[row * K + j]) * damped;
                }
                drift[row * K + l] = (float)sum;
            }
        }
        call.weight.drift = drift;
        const double corrected = output_error(&call, quantized_values(c, &call, 1), wanted);
        if (!(corrected < 1.6 * swept)) check_fail(c, "%s: error %g with drift, %g without", names[format], corrected, swept);
        check_release(c);
    }
}

static void special(check *c) {
    enum { N = 17, K = 130 };
    call call = make(c, IDF_INT4, IDF_F32, N, K);
    float *weight = check_random_floats(c, N * K);
    for (int l = 0; l < K; l++) weight[2 * K + l] = 0;
    weight[5] = NAN;
    call.weight.weight = weight;
    idf_isa_select(c->isa);
    const float *values = quantized_values(c, &call, 1);
    for (int row = 0; row < N; row++) {
        for (int l = 0; l < K; l++) {
            const float value = values[row * K + l];
            if (row == 2 ? value != 0 : row == 0 ? !isnan(value) && l < 64 : !isfinite(value)) {
                check_fail(c, "row %d, step %d is %g", row, l, value);
            }
        }
    }
}

static void transpose(check *c) {
    idf_isa_select(c->isa);
    for (int i = 0; i < 20 && !c->failed; i++) {
        const int64_t rows = check_size(c, 130), n = check_size(c, 130);
        const float *x = check_random_floats(c, rows * n);
        float *y = check_floats(c, rows * n);
        idf_transpose(y, x, rows, n);
        for (int64_t row = 0; row < rows; row++) {
            for (int64_t l = 0; l < n; l++) {
                if (y[l * rows + row] != x[row * n + l]) check_fail(c, "element (%lld, %lld)", (long long)row, (long long)l);
            }
        }
        check_release(c);
    }
}

const check_case calibrated_cases[] = {
    {"calibrated/same bits", same_bits}, {"calibrated/factor", factor}, {"calibrated/pays", pays},
    {"calibrated/special", special}, {"calibrated/transpose", transpose}, {0},
};
