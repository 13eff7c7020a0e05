// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Products with quantized weights.

#include "check.h"

enum { JOBS = 4 };

static const char *const names[] = {"f32", "bf16", "f16", "int8", "int4", "nf4"};

typedef struct call {
    idf_linear_job jobs[JOBS];
    int64_t count, ldx, m, k, y_floats;
    const float *x;
} call;

/// Runs the call with its outputs laid out one after the other in `out`, which is 0 between rows.
static void run(void *context, void *out) {
    call *call = context;
    float *y = out;
    memset(y, 0, (size_t)call->y_floats * sizeof(float));
    for (int64_t i = 0; i < call->count; i++) {
        idf_linear_job *job = &call->jobs[i];
        job->y = y;
        y += (call->m - 1) * job->ldy + job->n;
    }
    idf_linear(call->jobs, call->count, call->x, call->ldx, call->m, call->k);
}

static void begin(check *c, call *call, int64_t count, int64_t m, int64_t k) {
    *call = (struct call){.count = count, .m = m, .k = k, .ldx = k + check_range(c, 0, 2)};
    call->x = check_random_floats(c, (m - 1) * call->ldx + k);
}

/// Job i: a product alone or, when `plain` is 0, with random company.
static void add_job(check *c, call *call, int64_t i, idf_dtype format, int exact, int64_t n, int plain) {
    idf_linear_job *job = &call->jobs[i];
    *job = (idf_linear_job){.dtype = format, .exact = exact, .n = n, .ldy = n + check_range(c, 0, 3)};
    if (format >= IDF_INT8) {
        const void *scales;
        job->weight = check_random_quantized(c, format, n, call->k, &scales);
        job->scales = scales;
    } else {
        job->weight = check_random_weights(c, format, n * call->k);
    }
    call->y_floats += (call->m - 1) * job->ldy + n;
    if (plain) return;
    job->bias = check_range(c, 0, 1) ? check_random_floats(c, n) : NULL;
    job->activation = (idf_activation)check_range(c, IDF_ACT_NONE, IDF_ACT_QUICK_GELU);
    job->scale_count = check_range(c, 0, 1) ? 1 : n;
    job->scale = check_range(c, 0, 1) ? check_random_floats(c, job->scale_count) : NULL;
    job->residual = check_range(c, 0, 1) ? check_random_floats(c, (call->m - 1) * job->ldy + n) : NULL;
}

/// Against the reference: the same bits when `tolerance` is 0.
static void compare(check *c, call *call, double tolerance, const char *what) {
    char name[128];
    snprintf(name, sizeof name, "%s m %lld n %lld k %lld", what, (long long)call->m, (long long)call->jobs[0].n, (long long)call->k);
    float *expected = check_floats(c, call->y_floats), *actual = check_floats(c, call->y_floats);
    check_against_reference(c, run, call, expected, actual, (size_t)call->y_floats * sizeof(float), name);
    check_close(c, actual, expected, call->y_floats, tolerance, tolerance, name);
    check_release(c);
}

// MARK: - Integer products

static void integer_sizes(check *c, idf_dtype format) {
    for (int i = 0; i < 70 && !c->failed; i++) {
        const int64_t m = check_size(c, 129), n = check_size(c, 513), k = check_size(c, 2500);
        if (m * n * k > 700000) continue;
        call call;
        begin(c, &call, check_range(c, 1, 3), m, k);
        for (int64_t j = 0; j < call.count; j++) add_job(c, &call, j, format, 0, j == 0 ? n : check_size(c, n), i % 2);
        compare(c, &call, i % 2 ? 0 : 4e-6, names[format]);
    }
    // Every number of rows up to several tiles; chunks of rows, pieces of k, many blocks.
    for (int64_t m = 1; m <= 45 && !c->failed; m++) {
        call call;
        begin(c, &call, 1, m, 75);
        add_job(c, &call, 0, format, 0, 37, 1);
        compare(c, &call, 0, names[format]);
    }
    static const int64_t sizes[][3] = {{1100, 34, 65}, {17, 1030, 128}, {33, 33, 2500}, {1, 500, 1030}, {1030, 17, 64}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && !c->failed; i++) {
        call call;
        begin(c, &call, 1, sizes[i][0], sizes[i][2]);
        add_job(c, &call, 0, format, 0, sizes[i][1], 1);
        compare(c, &call, 0, names[format]);
    }
}

static void int8(check *c) { integer_sizes(c, IDF_INT8); }
static void int4(check *c) { integer_sizes(c, IDF_INT4); }

/// Jobs of every kind in one call, some empty.
static void mixed(check *c) {
    for (int i = 0; i < 40 && !c->failed; i++) {
        call call;
        begin(c, &call, JOBS, check_size(c, 40), check_size(c, 200));
        for (int64_t j = 0; j < JOBS; j++) {
            const int64_t n = check_range(c, 0, 4) == 0 ? 0 : check_size(c, 65);
            const idf_dtype format = (idf_dtype)check_range(c, IDF_F32, IDF_NF4);
            add_job(c, &call, j, n == 0 ? IDF_F32 : format, (int)check_range(c, 0, 1), n, 0);
            if (n == 0) call.y_floats -= (call.m - 1) * call.jobs[j].ldy, call.jobs[j].ldy = 0;
        }
        compare(c, &call, 2e-6 * sqrt((double)call.k + 1), "mixed");
    }
}

/// x and weights at the ends of their ranges, where sums are largest; any bytes as codes and scales.
static void extremes(check *c) {
    for (int i = 0; i < 60 && !c->failed; i++) {
        const idf_dtype format = i % 2 ? IDF_INT8 : IDF_INT4;
        const int64_t m = check_size(c, 33), n = check_size(c, 40), k = check_size(c, 300);
        call call;
        begin(c, &call, 1, m, k);
        float *x = (float *)call.x;
        const int kind = i / 2 % 3;
        for (int64_t j = 0; j < (m - 1) * call.ldx + k; j++) {
            if (kind == 0) x[j] = 1;
            if (kind == 1) x[j] = check_range(c, 0, 1) ? 1 : -1;
            if (kind == 2 && check_range(c, 0, 99) == 0) x[j] = check_range(c, 0, 1) ? NAN : INFINITY;
            if (kind == 2 && check_range(c, 0, 99) == 1) x[j] = 0x1p-120f * (float)check_range(c, -100, 100);
        }
        add_job(c, &call, 0, format, 0, n, 1);
        const int64_t bytes = idf_quantized_bytes(format, n, k), count = idf_scale_count(format, n, k);
        uint8_t *codes = (uint8_t *)call.jobs[0].weight;
        uint16_t *scales = (uint16_t *)call.jobs[0].scales;
        const uint8_t fill = check_range(c, 0, 1) ? 0 : 255;
        for (int64_t j = 0; j < bytes; j++) codes[j] = kind == 0 ? fill : (uint8_t)check_next(c);
        for (int64_t j = 0; j < count && kind == 2; j++) scales[j] = (uint16_t)check_next(c);
        compare(c, &call, 0, "extremes");
    }
}

/// Infinity and NaN of one row of x stay in that row, and show.
static void not_finite(check *c) {
    enum { M = 40, N = 40, K = 130 };
    idf_isa_select(c->isa);
    for (int format = IDF_INT8; format <= IDF_INT4 && !c->failed; format++) {
        call call;
        begin(c, &call, 1, M, K);
        ((float *)call.x)[3 * call.ldx + 129] = NAN;
        ((float *)call.x)[7 * call.ldx] = -INFINITY;
        add_job(c, &call, 0, (idf_dtype)format, 0, N, 1);
        call.jobs[0].ldy = N;
        call.y_floats = M * N;
        float *y = check_floats(c, M * N);
        run(&call, y);
        for (int i = 0; i < M * N; i++) {
            const int broken = i / N == 3 || i / N == 7;
            if (broken ? !isnan(y[i]) : !isfinite(y[i])) check_fail(c, "%s: row %d is %g", names[format], i / N, y[i]);
        }
        check_release(c);
    }
}

/// NF4 as it lies, every number of rows that is streamed and more; k with whole groups, with and without pieces, and not.
static void nf4(check *c) {
    for (int64_t i = 0; i < 60 && !c->failed; i++) {
        call call;
        begin(c, &call, check_range(c, 1, 2), 1 + i % 20, i % 5 == 4 ? check_size(c, 300) : IDF_GROUP * check_range(c, 1, i % 3 ? 5 : 40));
        for (int64_t j = 0; j < call.count; j++) add_job(c, &call, j, IDF_NF4, 0, check_size(c, 70), i % 2 ? 0 : 1);
        compare(c, &call, 2e-6 * sqrt((double)call.k), "nf4");
    }
}

// MARK: - Exact products

/// exact: the bits of the product with the dequantized weight, on the same instruction set.
static void exact(check *c) {
    for (int i = 0; i < 60 && !c->failed; i++) {
        const idf_dtype format = (idf_dtype)(IDF_INT8 + i % 3);
        const int64_t m = i < 45 ? i + 1 : check_size(c, 129), n = check_size(c, 300), k = i == 50 ? 2500 : check_size(c, 1030);
        call call;
        begin(c, &call, 1, m, k);
        add_job(c, &call, 0, format, 1, n, 0);
        idf_linear_job *job = &call.jobs[0];
        float *weight = check_floats(c, n * k), *expected = check_floats(c, call.y_floats), *actual = check_floats(c, call.y_floats);
        idf_isa_select(c->isa);
        idf_dequantize(weight, job->weight, job->scales, format, n, k);
        idf_set_thread_count(1 + i % 3);
        run(&call, actual);
        job->weight = weight;
        job->dtype = IDF_F32;
        run(&call, expected);
        char name[128];
        snprintf(name, sizeof name, "exact %s m %lld n %lld k %lld", names[format], (long long)m, (long long)n, (long long)k);
        check_same(c, actual, expected, (size_t)call.y_floats * sizeof(float), name);
        check_release(c);
    }
}

/// Integer products are near the exact ones: quantizing x costs what its bits say.
static void close_to_exact(check *c) {
    enum { M = 20, N = 50, K = 640 };
    idf_isa_select(c->isa);
    for (int format = IDF_INT8; format <= IDF_INT4 && !c->failed; format++) {
        call call;
        begin(c, &call, 1, M, K);
        add_job(c, &call, 0, (idf_dtype)format, 0, N, 1);
        call.jobs[0].ldy = N;
        call.y_floats = M * N;
        float *fast = check_floats(c, M * N), *slow = check_floats(c, M * N);
        run(&call, fast);
        call.jobs[0].exact = 1;
        run(&call, slow);
        double error = 0, size = 0;
        for (int i = 0; i < M * N; i++) {
            error += ((double)fast[i] - slow[i]) * ((double)fast[i] - slow[i]);
            size += (double)slow[i] * slow[i];
        }
        const double relative = sqrt(error / size), bound = format == IDF_INT8 ? 3e-5 : 7e-3;
        if (!(relative < bound)) check_fail(c, "%s: relative error %g", names[format], relative);
        check_release(c);
    }
}

static void empty(check *c) {
    idf_isa_select(c->isa);
    float y = 7, x = 1;
    for (int format = IDF_INT8; format <= IDF_NF4; format++) {
        const uint8_t codes[1024] = {0};
        const float scales[16] = {0};
        idf_linear_job job = {.weight = codes, .scales = scales, .dtype = (idf_dtype)format, .n = 0, .y = &y, .ldy = 1};
        y = 7;
        idf_linear(&job, 1, &x, 1, 1, 1);
        idf_linear(&job, 1, &x, 1, 100, 1);
        job.n = 1;
        idf_linear(&job, 1, &x, 1, 0, 1);
        if (y != 7) check_fail(c, "an empty product was written");
        idf_linear(&job, 1, &x, 1, 1, 0);
        if (y != 0) check_fail(c, "a product over k = 0 must be 0, is %g", y);
    }
}

const check_case quantized_cases[] = {
    {"quantized/int8", int8}, {"quantized/int4", int4}, {"quantized/nf4", nf4}, {"quantized/mixed", mixed}, {"quantized/extremes", extremes},
    {"quantized/not finite", not_finite}, {"quantized/exact", exact}, {"quantized/close to exact", close_to_exact},
    {"quantized/empty", empty}, {0},
};
