// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

typedef struct call {
    const float *x, *second, *third;
    const int32_t *positions;
    int64_t rows, n, heads, stride;
    int in_place, option;
} call;

/// x itself, or its copy in `out` when the operation runs in place.
static const float *input(const call *call, float *out) {
    if (!call->in_place) return call->x;
    memcpy(out, call->x, (size_t)(call->rows * call->n) * sizeof(float));
    return out;
}

static void compare(check *c, void (*body)(void *, void *), call *call, double absolute, double relative, const char *what) {
    const int64_t n = call->rows * call->n;
    float *expected = check_floats(c, n), *actual = check_floats(c, n);
    char name[128];
    snprintf(name, sizeof name, "%s rows %lld n %lld", what, (long long)call->rows, (long long)call->n);
    check_against_reference(c, body, call, expected, actual, (size_t)n * sizeof(float), name);
    check_close(c, actual, expected, n, absolute, relative, name);
    check_release(c);
}

// MARK: - Norms

static void run_rms(void *context, void *out) {
    const call *c = context;
    idf_rms_norm(out, input(c, out), c->second, 1e-6f, c->rows, c->n);
}

static void run_layer(void *context, void *out) {
    const call *c = context;
    idf_layer_norm(out, input(c, out), c->second, c->option ? c->third : NULL, 1e-5f, c->rows, c->n);
}

static void norms(check *c) {
    for (int i = 0; i < 60 && !c->failed; i++) {
        call call = {.rows = check_size(c, 33), .n = check_size(c, 2500)};
        call.in_place = (int)check_range(c, 0, 1);
        call.option = (int)check_range(c, 0, 1);
        call.x = check_random_floats(c, call.rows * call.n);
        call.second = check_random_floats(c, call.n);
        call.third = check_random_floats(c, call.n);
        if (i % 2) {
            compare(c, run_rms, &call, 1e-6, 2e-6, "rms_norm");
        } else {
            compare(c, run_layer, &call, 2e-6, 4e-6, "layer_norm");
        }
    }
}

// MARK: - Rotation

static void run_rope(void *context, void *out) {
    const call *c = context;
    float *y = out;
    memcpy(y, c->x, (size_t)(c->rows * c->n) * sizeof(float));
    idf_rope(y, c->positions, c->second, c->rows, c->heads, c->option, c->stride);
}

static void rope(check *c) {
    for (int i = 0; i < 40 && !c->failed; i++) {
        const int64_t half = check_size(c, 65);
        call call = {.rows = check_size(c, 100), .heads = check_range(c, 1, 5), .option = (int)(2 * half)};
        call.stride = call.n = call.heads * 2 * half + check_range(c, 0, 3);
        call.x = check_random_floats(c, call.rows * call.n);
        float *frequencies = check_floats(c, half);
        for (int64_t j = 0; j < half; j++) frequencies[j] = powf(10000, -(float)j / (float)half);
        int32_t *positions = check_memory(c, (size_t)call.rows * sizeof(int32_t));
        for (int64_t j = 0; j < call.rows; j++) positions[j] = (int32_t)check_range(c, 0, i % 2 ? 1000000 : 2048);
        call.second = frequencies;
        call.positions = positions;
        compare(c, run_rope, &call, 3e-7, 0, "rope");
    }
    // Against f64, with an angle whose f32 product is exact.
    idf_isa_select(c->isa);
    float pair[2] = {1, 0};
    const float one = 1;
    const int32_t position = 999999;
    idf_rope(pair, &position, &one, 1, 1, 2, 2);
    const float expected[2] = {(float)cos(999999.0), (float)sin(999999.0)};
    check_close(c, pair, expected, 2, 0, 1.2e-7, "rope at 999999");
}

// MARK: - Element-wise

static void run_swiglu(void *context, void *out) {
    const call *c = context;
    idf_swiglu(out, input(c, out), c->second, c->n);
}

static void run_add(void *context, void *out) {
    const call *c = context;
    idf_add(out, input(c, out), c->second, c->n);
}

static void run_activate(void *context, void *out) {
    const call *c = context;
    idf_activate(out, input(c, out), (idf_activation)c->option, c->n);
}

static void elements(check *c) {
    for (int i = 0; i < 40 && !c->failed; i++) {
        call call = {.rows = 1, .n = i == 0 ? 0 : i == 1 ? 50000 : check_size(c, 2500)};
        call.in_place = (int)check_range(c, 0, 1);
        call.x = check_random_floats(c, call.n);
        call.second = check_random_floats(c, call.n);
        if (i % 2) {
            compare(c, run_swiglu, &call, 0, 1e-6, "swiglu");
        } else {
            compare(c, run_add, &call, 0, 0, "add");
        }
    }
}

/// Every 1009th float of all, infinities and NaN among them: the stated error bounds.
static void activations(check *c) {
    static const struct { idf_activation activation; double absolute, relative; const char *name; } kinds[] = {
        {IDF_ACT_NONE, 0, 0, "none"}, {IDF_ACT_RELU, 0, 0, "relu"}, {IDF_ACT_GELU, 2e-38, 1.5e-6, "gelu"}, {IDF_ACT_SILU, 2e-36, 4e-7, "silu"},
        {IDF_ACT_QUICK_GELU, 2e-36, 6e-6, "quick_gelu"},
    };
    const int64_t n = (INT64_C(1) << 32) / 1009;
    for (int kind = 0; kind < (int)(sizeof kinds / sizeof *kinds) && !c->failed; kind++) {
        call call = {.rows = 1, .n = n, .option = (int)kinds[kind].activation};
        float *x = check_floats(c, n);
        for (int64_t i = 0; i < n; i++) {
            const uint32_t bits = (uint32_t)(i * 1009);
            memcpy(&x[i], &bits, sizeof bits);
        }
        call.x = x;
        compare(c, run_activate, &call, kinds[kind].absolute, kinds[kind].relative, kinds[kind].name);
    }
}

static void known_values(check *c) {
    idf_isa_select(c->isa);
    const float x[6] = {-3, -1, -0.0f, 0.5f, 1, 3};
    const float gelu[6] = {-0.00404969f, -0.158655254f, 0, 0.345731231f, 0.841344746f, 2.99595031f};
    const float silu[6] = {-0.142277620f, -0.268941421f, 0, 0.311229666f, 0.731058579f, 2.85772238f};
    const float quick_gelu[6] = {-0.0180713097f, -0.154204234f, 0, 0.350388437f, 0.845795766f, 2.98192869f};
    float y[6];
    idf_activate(y, x, IDF_ACT_GELU, 6);
    check_close(c, y, gelu, 6, 1e-8, 3e-7, "gelu of known values");
    idf_activate(y, x, IDF_ACT_SILU, 6);
    check_close(c, y, silu, 6, 1e-8, 3e-7, "silu of known values");
    idf_activate(y, x, IDF_ACT_QUICK_GELU, 6);
    check_close(c, y, quick_gelu, 6, 1e-8, 3e-7, "quick_gelu of known values");
}

const check_case rows_cases[] = {
    {"rows/norms", norms}, {"rows/rope", rope}, {"rows/elements", elements}, {"rows/activations", activations},
    {"rows/known values", known_values}, {0},
};
