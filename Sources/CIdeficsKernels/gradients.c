// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Backward operations on rows and elements: cut into tasks whose limits depend on sizes alone. Sums over rows are made
// of a fixed number of partial sums, which are added in order.

#include "gradients.h"

enum {
    TASK_ELEMENTS = 16384,
    PARTS = 64,        ///< partial sums over rows at most
    PART_ROWS = 8,     ///< rows of a partial sum at least
    TASK_COLUMNS = 256 ///< columns of a task that walks over all rows
};

typedef struct context {
    const idf_kernels *kernels;
    float *y, *second, *third;
    const float *a, *b, *c, *scale;
    const int32_t *ids;
    float eps, loss_factor;
    int option;
    int64_t rows, n, parts, partial; ///< partial: floats of a partial sum
    float *partials;
    double *sums;
    int64_t scale_count;
    uint64_t seed, offset, limit;
    const idf_adamw_factors *factors;
} context;

static void run(context *c, int64_t count, int64_t unit, idf_task task) {
    c->kernels = idf_kernels_current();
    idf_parallel(idf_divide_up(count, unit), task, c);
}

/// First element of a task of TASK_ELEMENTS; *count becomes how many it has.
static int64_t elements_begin(const context *c, int64_t task, int64_t *count) {
    *count = idf_min(TASK_ELEMENTS, c->n - task * TASK_ELEMENTS);
    return task * TASK_ELEMENTS;
}

// MARK: - Sums over rows

static int64_t part_begin(const context *c, int64_t part) { return c->rows * part / c->parts; }

static void reduce(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t begin = task * TASK_COLUMNS, columns = idf_min(TASK_COLUMNS, c->partial - begin);
    for (int64_t part = 1; part < c->parts; part++) {
        c->kernels->gradients->add_product(c->partials + begin, c->partials + part * c->partial + begin, NULL, columns);
    }
}

/// Runs `task` for each part of the rows; afterwards the first `partial` floats of `partials` are the sums.
static void sum_rows(context *c, int64_t partial, idf_task task) {
    c->kernels = idf_kernels_current();
    c->partial = partial;
    c->parts = idf_max(1, idf_min(PARTS, idf_divide_up(c->rows, PART_ROWS)));
    if (partial > 0) c->partials = idf_scratch(IDF_SCRATCH_SHARED, c->parts * partial);
    idf_parallel(c->parts, task, c);
    if (partial > 0) idf_parallel(idf_divide_up(partial, TASK_COLUMNS), reduce, c);
}

/// The sums of a part, zeroed.
static float *part_sums(const context *c, int64_t part) {
    if (c->partial == 0) return NULL;
    return memset(c->partials + part * c->partial, 0, (size_t)c->partial * sizeof(float));
}

static void column_sums(void *argument, int64_t part, int thread) {
    (void)thread;
    const context *c = argument;
    float *sums = part_sums(c, part);
    for (int64_t row = part_begin(c, part); row < part_begin(c, part + 1); row++) {
        c->kernels->gradients->add_product(sums, c->a + row * c->n, c->b != NULL ? c->b + row * c->n : NULL, c->n);
    }
}

void idf_column_sums(float *sums, const float *a, const float *b, int64_t rows, int64_t n) {
    if (n <= 0) return;
    context c = {.a = a, .b = b, .rows = rows, .n = n};
    sum_rows(&c, n, column_sums);
    memcpy(sums, c.partials, (size_t)n * sizeof(float));
}

static void rms_norm(void *argument, int64_t part, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t begin = part_begin(c, part), rows = part_begin(c, part + 1) - begin, at = begin * c->n;
    c->kernels->gradients->rms_norm(c->y != NULL ? c->y + at : NULL, part_sums(c, part), c->a + at, c->b + at, c->c, c->eps,
                                    rows, c->n);
}

void idf_rms_norm_backward(float *dx, float *dweight, const float *dy, const float *x, const float *weight, float eps,
                           int64_t rows, int64_t n) {
    if (n <= 0) return;
    context c = {.y = dx, .a = dy, .b = x, .c = weight, .eps = eps, .rows = rows, .n = n};
    sum_rows(&c, dweight != NULL ? n : 0, rms_norm);
    if (dweight != NULL) memcpy(dweight, c.partials, (size_t)n * sizeof(float));
}

static void layer_norm(void *argument, int64_t part, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t begin = part_begin(c, part), rows = part_begin(c, part + 1) - begin, at = begin * c->n;
    float *sums = part_sums(c, part);
    c->kernels->gradients->layer_norm(c->y != NULL ? c->y + at : NULL, sums, sums != NULL ? sums + c->n : NULL, c->a + at,
                                      c->b + at, c->c, c->eps, rows, c->n);
}

void idf_layer_norm_backward(float *dx, float *dweight, float *dbias, const float *dy, const float *x, const float *weight,
                             float eps, int64_t rows, int64_t n) {
    if (n <= 0) return;
    const int is_wanted = dweight != NULL || dbias != NULL;
    context c = {.y = dx, .a = dy, .b = x, .c = weight, .eps = eps, .rows = rows, .n = n};
    sum_rows(&c, is_wanted ? 2 * n : 0, layer_norm);
    if (dweight != NULL) memcpy(dweight, c.partials, (size_t)n * sizeof(float));
    if (dbias != NULL) memcpy(dbias, c.partials + n, (size_t)n * sizeof(float));
}

// MARK: - Elements

static void dot(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = elements_begin(c, task, &n);
    c->sums[task] = c->kernels->gradients->dot(c->a + at, c->b + at, n);
}

double idf_dot(const float *a, const float *b, int64_t n) {
    const int64_t tasks = idf_divide_up(n, TASK_ELEMENTS);
    context c = {.a = a, .b = b, .n = n};
    c.sums = (double *)(void *)idf_scratch(IDF_SCRATCH_SHARED, idf_max(1, 2 * tasks));
    run(&c, n, TASK_ELEMENTS, dot);
    double sum = 0;
    for (int64_t i = 0; i < tasks; i++) sum += c.sums[i];
    return sum;
}

static void swiglu(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = elements_begin(c, task, &n);
    c->kernels->gradients->swiglu(c->y + at, c->second + at, c->a + at, c->b + at, c->c + at, n);
}

void idf_swiglu_backward(float *dgate, float *dup, const float *dy, const float *gate, const float *up, int64_t n) {
    run(&(context){.y = dgate, .second = dup, .a = dy, .b = gate, .c = up, .n = n}, n, TASK_ELEMENTS, swiglu);
}

static void activate(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = elements_begin(c, task, &n);
    c->kernels->gradients->activate(c->y + at, c->a + at, c->b + at, (idf_activation)c->option, n);
}

void idf_activate_backward(float *dx, const float *dy, const float *x, idf_activation activation, int64_t n) {
    run(&(context){.y = dx, .a = dy, .b = x, .option = (int)activation, .n = n}, n, TASK_ELEMENTS, activate);
}

static void scale_add(void *argument, int64_t row, int thread) {
    (void)thread;
    const context *c = argument;
    const float *x = c->a + row * c->n, *residual = c->b != NULL ? c->b + row * c->n : NULL;
    float *y = c->y + row * c->n;
    for (int64_t j = 0; j < c->n; j++) {
        const float product = x[j] * c->scale[c->scale_count == 1 ? 0 : j];
        y[j] = product;
    }
    if (residual != NULL) c->kernels->add(y, y, residual, c->n);
}

void idf_scale_add(float *y, const float *x, const float *scale, int64_t scale_count, const float *residual, int64_t rows,
                   int64_t n) {
    context c = {.y = y, .a = x, .b = residual, .scale = scale, .scale_count = scale_count, .n = n};
    if (n > 0) run(&c, rows, 1, scale_add);
}

void idf_tanh(float *y, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = tanhf(x[i]);
}

void idf_tanh_backward(float *dx, const float *dy, const float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

static void scatter_add(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t begin = task * TASK_COLUMNS, columns = idf_min(TASK_COLUMNS, c->n - begin);
    for (int64_t row = 0; row < c->rows; row++) {
        c->kernels->gradients->add_product(c->y + c->ids[row] * c->n + begin, c->a + row * c->n + begin, NULL, columns);
    }
}

void idf_scatter_add(float *table, const float *dy, const int32_t *ids, int64_t rows, int64_t n) {
    run(&(context){.y = table, .a = dy, .ids = ids, .rows = rows, .n = n}, n, TASK_COLUMNS, scatter_add);
}

static void dropout(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = elements_begin(c, task, &n);
    for (int64_t i = at; i < at + n; i++) {
        c->y[i] = idf_mixed(c->seed, c->offset + (uint64_t)i) >> 32 < c->limit ? 0 : c->a[i] * c->eps;
    }
}

void idf_dropout(float *y, const float *x, double p, uint64_t seed, uint64_t offset, int64_t n) {
    context c = {.y = y, .a = x, .n = n, .offset = offset, .eps = (float)(1 / (1 - p))};
    c.seed = idf_mixed(seed, 0); // seeds are often small numbers
    c.limit = (uint64_t)(p * 0x1p32);
    run(&c, n, TASK_ELEMENTS, dropout);
}

// MARK: - Loss and optimizer

static void cross_entropy(void *argument, int64_t row, int thread) {
    (void)thread;
    const context *c = argument;
    const float z_factor = c->scale != NULL ? c->scale[row] : 0, loss_factor = c->ids[row] < 0 ? 0 : c->loss_factor;
    c->second[row] = c->kernels->gradients->cross_entropy(c->y + row * c->n, c->third + row, c->ids[row], loss_factor, z_factor,
                                                          c->option, c->n);
}

void idf_cross_entropy(float *logits, float *losses, float *logsumexps, const int32_t *targets, float loss_factor,
                       const float *z_factors, int is_gradient, int64_t rows, int64_t n) {
    context c = {.y = logits, .second = losses, .third = logsumexps, .ids = targets, .loss_factor = loss_factor};
    c.scale = z_factors;
    c.option = is_gradient;
    c.n = n;
    run(&c, rows, 1, cross_entropy);
}

static void adamw(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = elements_begin(c, task, &n);
    c->kernels->gradients->adamw(c->y + at, c->second + at, c->third + at, c->a + at, c->factors, n);
}

idf_adamw_factors idf_adamw_factors_of(const idf_adamw_step *step) {
    // In f64 as torch computes them, then rounded once.
    const double correction1 = 1 - pow(step->beta1, (double)step->step), correction2 = 1 - pow(step->beta2, (double)step->step);
    return (idf_adamw_factors){.gradient = step->gradient_scale,
                               .rest1 = 1 - step->beta1,
                               .beta2 = step->beta2,
                               .rest2 = 1 - step->beta2,
                               .keep = 1 - step->learning_rate * step->weight_decay,
                               .rate = (float)(step->learning_rate / correction1),
                               .root = (float)(1 / sqrt(correction2)),
                               .eps = step->eps};
}

void idf_adamw(float *parameters, float *first, float *second, const float *gradient, const idf_adamw_step *step, int64_t n) {
    const idf_adamw_factors factors = idf_adamw_factors_of(step);
    context c = {.y = parameters, .second = first, .third = second, .a = gradient, .n = n, .factors = &factors};
    run(&c, n, TASK_ELEMENTS, adamw);
}
