// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

enum { JOBS = 3 };

typedef struct call {
    int bf16;
    idf_linear_job jobs[JOBS];
    int64_t count, ldx, m, k, y_floats;
    const float *x;
    const float *start; ///< what y holds before: gaps between rows, and the residual when it is y itself
    int in_place;
} call;

/// Runs the call with its outputs laid out one after the other in `out`.
static void run(void *context, void *out) {
    call *call = context;
    float *y = out;
    memcpy(y, call->start, (size_t)call->y_floats * sizeof(float));
    for (int64_t i = 0; i < call->count; i++) {
        idf_linear_job *job = &call->jobs[i];
        job->y = y;
        if (call->in_place) job->residual = y;
        y += (call->m - 1) * job->ldy + job->n;
    }
    idf_linear(call->jobs, call->count, call->x, call->ldx, call->m, call->k);
}

static void compare(check *c, call *call, const char *what) {
    for (int64_t i = 0; i < call->count; i++) call->y_floats += (call->m - 1) * call->jobs[i].ldy + call->jobs[i].n;
    call->start = check_random_floats(c, call->y_floats);
    float *expected = check_floats(c, call->y_floats), *actual = check_floats(c, call->y_floats);
    check_against_reference(c, run, call, expected, actual, (size_t)call->y_floats * sizeof(float), what);
    check_close(c, actual, expected, call->y_floats, 2e-6 * sqrt((double)call->k + 1), 1e-6, what);
}

/// Fills job i with random parts; everything ends at a guard page.
static void make_job(check *c, call *call, int64_t i, idf_dtype dtype, int64_t n) {
    idf_linear_job *job = &call->jobs[i];
    *job = (idf_linear_job){
        .weight = dtype >= IDF_INT8 ? NULL : check_random_weights(c, dtype, n * call->k),
        .dtype = dtype,
        .bf16 = call->bf16,
        .n = n,
        .bias = check_range(c, 0, 1) ? check_random_floats(c, n) : NULL,
        .activation = (idf_activation)check_range(c, IDF_ACT_NONE, IDF_ACT_QUICK_GELU),
        .ldy = n + check_range(c, 0, 3),
    };
    if (dtype >= IDF_INT8) job->weight = check_random_quantized(c, dtype, n, call->k, &job->scales);
    job->scale_count = check_range(c, 0, 1) ? 1 : n;
    job->scale = check_range(c, 0, 1) ? check_random_floats(c, job->scale_count) : NULL;
    if (!call->in_place && check_range(c, 0, 1)) job->residual = check_random_floats(c, (call->m - 1) * job->ldy + n);
}

static void compare_sizes(check *c, idf_dtype dtype, int bf16, int64_t count, int64_t m, int64_t n, int64_t k,
                          const char *what) {
    call call = {.bf16 = bf16, .count = count, .m = m, .k = k, .ldx = k + check_range(c, 0, 2), .in_place = (int)check_range(c, 0, 1)};
    call.x = check_random_floats(c, (m - 1) * call.ldx + k);
    for (int64_t i = 0; i < count; i++) make_job(c, &call, i, dtype, i == 0 ? n : check_size(c, n));
    char name[128];
    snprintf(name, sizeof name, "%s m %lld n %lld k %lld", what, (long long)m, (long long)n, (long long)k);
    compare(c, &call, name);
    check_release(c);
}

static void random_sizes(check *c, idf_dtype dtype, int bf16, const char *what) {
    for (int i = 0; i < (bf16 ? 40 : 150) && !c->failed; i++) {
        const int64_t m = check_size(c, 129), n = check_size(c, 513), k = check_size(c, 2500);
        if (m * n * k > 4000000) continue;
        compare_sizes(c, dtype, bf16, check_range(c, 1, JOBS), m, n, k, what);
    }
    // Every number of rows up to several tiles, at a depth with a tail.
    for (int64_t m = 1; m <= 45 && !c->failed; m++) compare_sizes(c, dtype, bf16, 1, m, 37, 75, what);
    // Chunks of rows, pieces of k, many blocks.
    compare_sizes(c, dtype, bf16, 1, 1100, 70, 40, what);
    compare_sizes(c, dtype, bf16, 2, 30, 1030, 200, what);
    compare_sizes(c, dtype, bf16, 1, 33, 33, 2500, what);
}

static void f32(check *c) { random_sizes(c, IDF_F32, 0, "linear f32"); }
static void bf16(check *c) { random_sizes(c, IDF_BF16, 0, "linear bf16"); }
static void f16(check *c) { random_sizes(c, IDF_F16, 0, "linear f16"); }

static void rounded(check *c) {
    random_sizes(c, IDF_F32, 1, "rounded linear f32");
    random_sizes(c, IDF_BF16, 1, "rounded linear bf16");
    random_sizes(c, IDF_INT8, 1, "rounded linear int8");
    random_sizes(c, IDF_NF4, 1, "rounded linear nf4");
}

static void empty(check *c) {
    idf_isa_select(c->isa);
    float y = 7, x = 1, weight = 1;
    idf_linear_job job = {.weight = &weight, .n = 0, .y = &y, .ldy = 1};
    idf_linear(&job, 1, &x, 1, 1, 1);
    idf_linear(&job, 1, &x, 1, 100, 1);
    job.n = 1;
    idf_linear(&job, 1, &x, 1, 0, 1);
    idf_linear(&job, 0, &x, 1, 1, 1);
    if (y != 7) check_fail(c, "an empty product was written");
    idf_linear(&job, 1, &x, 1, 1, 0);
    if (y != 0) check_fail(c, "a product over k = 0 must be 0, is %g", y);
}

static void special(check *c) {
    // Infinity and NaN of one row or one weight row stay there.
    enum { M = 40, N = 40, K = 40 };
    float *x = check_random_floats(c, M * K), *weight = check_random_floats(c, N * K), *y = check_floats(c, M * N);
    x[3 * K + 39] = NAN;
    weight[5 * K] = INFINITY;
    idf_isa_select(c->isa);
    idf_linear_job job = {.weight = weight, .dtype = IDF_F32, .n = N, .y = y, .ldy = N};
    idf_linear(&job, 1, x, K, M, K);
    for (int i = 0; i < M; i++) {
        for (int j = 0; j < N; j++) {
            const float value = y[i * N + j];
            if (i == 3 ? !isnan(value) : j == 5 ? !isinf(value) : !isfinite(value)) {
                check_fail(c, "row %d, feature %d is %g", i, j, value);
            }
        }
    }
}

const check_case linear_cases[] = {
    {"linear/f32", f32}, {"linear/bf16", bf16}, {"linear/f16", f16}, {"linear/empty", empty}, {"linear/special", special},
    {"bf16/linear", rounded}, {0},
};
