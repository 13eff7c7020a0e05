// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// The operations on rows and elements: cut into tasks of about TASK_ELEMENTS, so that small calls stay on the caller.

#include "kernels.h"

static const int64_t TASK_ELEMENTS = 16384;

typedef struct context {
    const idf_kernels *kernels;
    void *y;
    const void *a, *b;
    const float *bias;
    const int32_t *ids;
    float eps;
    int option; ///< dtype or activation
    int64_t rows, n, task_rows;
    int64_t heads, head_dim, stride;
    int64_t count, channels, height, width, patch;
} context;

/// Rows of n elements that a task takes.
static int64_t rows_of_task(int64_t n) { return idf_max(1, TASK_ELEMENTS / idf_max(n, 1)); }

static void run(context *context, int64_t rows, int64_t n, idf_task task) {
    if (rows <= 0 || n <= 0) return;
    context->kernels = idf_kernels_current();
    context->rows = rows;
    context->n = n;
    context->task_rows = rows_of_task(n);
    idf_parallel(idf_divide_up(rows, context->task_rows), task, context);
}

/// First row of a task; *count becomes how many it has.
static int64_t rows_begin(const context *context, int64_t task, int64_t *count) {
    const int64_t begin = task * context->task_rows;
    *count = idf_min(context->task_rows, context->rows - begin);
    return begin;
}

// MARK: - Normalization and rotation

static void rms_norm(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t rows;
    const int64_t at = rows_begin(c, task, &rows) * c->n;
    c->kernels->rms_norm((float *)c->y + at, (const float *)c->a + at, c->b, c->eps, rows, c->n);
}

void idf_rms_norm(float *y, const float *x, const float *weight, float eps, int64_t rows, int64_t n) {
    run(&(context){.y = y, .a = x, .b = weight, .eps = eps}, rows, n, rms_norm);
}

static void layer_norm(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t rows;
    const int64_t at = rows_begin(c, task, &rows) * c->n;
    c->kernels->layer_norm((float *)c->y + at, (const float *)c->a + at, c->b, c->bias, c->eps, rows, c->n);
}

void idf_layer_norm(float *y, const float *x, const float *weight, const float *bias, float eps, int64_t rows, int64_t n) {
    run(&(context){.y = y, .a = x, .b = weight, .bias = bias, .eps = eps}, rows, n, layer_norm);
}

static void rope(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t rows;
    const int64_t begin = rows_begin(c, task, &rows), half = c->head_dim / 2;
    float *cosine = idf_scratch(IDF_SCRATCH_TASK, c->head_dim), *sine = cosine + half;
    for (int64_t row = begin; row < begin + rows; row++) {
        for (int64_t j = 0; j < half; j++) {
            // The angle is rounded to f32 as in the model's own code; f64 functions make its sine exact to the last bit.
            const double angle = (float)c->ids[row] * ((const float *)c->a)[j];
            cosine[j] = (float)cos(angle);
            sine[j] = (float)sin(angle);
        }
        c->kernels->rotate((float *)c->y + row * c->stride, cosine, sine, c->heads, c->head_dim);
    }
}

void idf_rope(float *x, const int32_t *positions, const float *inv_freq, int64_t rows, int64_t heads, int64_t head_dim,
              int64_t stride) {
    context c = {.y = x, .a = inv_freq, .ids = positions, .heads = heads, .head_dim = head_dim, .stride = stride};
    run(&c, rows, heads * head_dim, rope);
}

// MARK: - Elements (rows of one)

static void swiglu(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = rows_begin(c, task, &n);
    c->kernels->swiglu((float *)c->y + at, (const float *)c->a + at, (const float *)c->b + at, n);
}

void idf_swiglu(float *y, const float *gate, const float *up, int64_t n) {
    run(&(context){.y = y, .a = gate, .b = up}, n, 1, swiglu);
}

static void activate(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = rows_begin(c, task, &n);
    c->kernels->activate((float *)c->y + at, (const float *)c->a + at, (idf_activation)c->option, n);
}

void idf_activate(float *y, const float *x, idf_activation activation, int64_t n) {
    run(&(context){.y = y, .a = x, .option = (int)activation}, n, 1, activate);
}

static void add(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = rows_begin(c, task, &n);
    c->kernels->add((float *)c->y + at, (const float *)c->a + at, (const float *)c->b + at, n);
}

void idf_add(float *y, const float *a, const float *b, int64_t n) {
    run(&(context){.y = y, .a = a, .b = b}, n, 1, add);
}

// MARK: - Casts

static void to_f32(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = rows_begin(c, task, &n);
    const idf_dtype dtype = (idf_dtype)c->option;
    c->kernels->to_f32((float *)c->y + at, (const char *)c->a + (size_t)at * idf_dtype_size(dtype), dtype, n);
}

void idf_to_f32(float *y, const void *x, idf_dtype dtype, int64_t n) {
    run(&(context){.y = y, .a = x, .option = (int)dtype}, n, 1, to_f32);
}

static void from_f32(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t n;
    const int64_t at = rows_begin(c, task, &n);
    const idf_dtype dtype = (idf_dtype)c->option;
    c->kernels->from_f32((char *)c->y + (size_t)at * idf_dtype_size(dtype), (const float *)c->a + at, dtype, n);
}

void idf_from_f32(void *y, const float *x, idf_dtype dtype, int64_t n) {
    run(&(context){.y = y, .a = x, .option = (int)dtype}, n, 1, from_f32);
}

static void embedding(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t rows;
    const int64_t begin = rows_begin(c, task, &rows);
    const idf_dtype dtype = (idf_dtype)c->option;
    const size_t row_bytes = (size_t)c->n * idf_dtype_size(dtype);
    for (int64_t row = begin; row < begin + rows; row++) {
        c->kernels->to_f32((float *)c->y + row * c->n, (const char *)c->a + (size_t)c->ids[row] * row_bytes, dtype, c->n);
    }
}

void idf_embedding(float *y, const void *table, idf_dtype dtype, const int32_t *ids, int64_t rows, int64_t n) {
    run(&(context){.y = y, .a = table, .ids = ids, .option = (int)dtype}, rows, n, embedding);
}

// MARK: - Transposition

/// Rows: sixteen columns of x.
static void transpose(void *argument, int64_t task, int thread) {
    (void)thread;
    enum { BLOCK = 16 }; // a cache line of each row
    const context *c = argument;
    const int64_t first = task * BLOCK, columns = idf_min(BLOCK, c->n - first);
    for (int64_t row = 0; row < c->rows; row += BLOCK) {
        const int64_t rows = idf_min(BLOCK, c->rows - row);
        for (int64_t column = first; column < first + columns; column++) {
            const float *in = (const float *)c->a + row * c->n + column;
            float *out = (float *)c->y + column * c->rows + row;
            for (int64_t i = 0; i < rows; i++) out[i] = in[i * c->n];
        }
    }
}

void idf_transpose(float *y, const float *x, int64_t rows, int64_t n) {
    if (rows <= 0 || n <= 0) return;
    idf_parallel(idf_divide_up(n, 16), transpose, &(context){.y = y, .a = x, .rows = rows, .n = n});
}

// MARK: - Reductions

int64_t idf_argmax(const float *x, int64_t n) { return n <= 0 ? -1 : idf_kernels_current()->argmax(x, n); }

void idf_log_softmax(float *y, const float *x, int64_t n) {
    if (n > 0) idf_kernels_current()->log_softmax(y, x, n);
}

// MARK: - Patches

/// Rows: one line of patches, over all channels.
static void patchify(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t across = c->width / c->patch, down = c->height / c->patch, patch = c->patch;
    const size_t bytes = (size_t)patch * sizeof(float);
    int64_t rows;
    const int64_t begin = rows_begin(c, task, &rows);
    for (int64_t row = begin; row < begin + rows; row++) {
        const float *image = (const float *)c->a + row / down * c->channels * c->height * c->width;
        float *out = (float *)c->y + row * c->n;
        for (int64_t i = 0; i < across; i++) {
            for (int64_t channel = 0; channel < c->channels; channel++) {
                const float *in = image + (channel * c->height + row % down * patch) * c->width + i * patch;
                for (int64_t line = 0; line < patch; line++, out += patch) memcpy(out, in + line * c->width, bytes);
            }
        }
    }
}

void idf_patchify(float *y, const float *x, int64_t count, int64_t channels, int64_t height, int64_t width,
                  int64_t patch) {
    if (patch <= 0) return;
    context c = {.y = y, .a = x, .channels = channels, .height = height, .width = width, .patch = patch};
    run(&c, count * (height / patch), width / patch * channels * patch * patch, patchify);
}
