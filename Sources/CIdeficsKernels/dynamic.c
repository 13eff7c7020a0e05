// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Block-wise dynamic quantization: the tables, and the blocks as tasks.

#include "dynamic.h"

#include <pthread.h>

#include "gradients.h"

enum { TASK_BLOCKS = 64 };

// MARK: - Tables

static idf_dynamic_levels levels[2];
static pthread_once_t levels_once = PTHREAD_ONCE_INIT;

/// Boundary i of `count` parts between 0.1 and 1, as torch.linspace rounds it: from either end to the middle, fused.
static float boundary(int i, int count) {
    const float step = (1.0f - 0.1f) / (float)count;
    return i < (count + 1) / 2 ? fmaf(step, (float)i, 0.1f) : fmaf(-step, (float)(count - i), 1.0f);
}

static void make_levels(idf_dynamic_map map) {
    static const float decades[7] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1};
    idf_dynamic_levels *l = &levels[map];
    float magnitudes[256] = {0};
    int count = 1;
    for (int decade = 0; decade < 7; decade++) {
        const int items = 1 << (map == IDF_DYNAMIC_SIGNED ? decade : decade + 1);
        for (int i = 0; i < items; i++) {
            const float sum = boundary(i, items) + boundary(i + 1, items);
            magnitudes[count++] = decades[decade] * (sum / 2);
        }
    }
    l->most_negative = map == IDF_DYNAMIC_SIGNED ? count - 1 : 0;
    magnitudes[count++] = 1;
    l->count = count;
    l->zero = 256 - count;
    for (int i = 0; i < count; i++) l->table[l->zero + i] = magnitudes[i];
    for (int i = 1; i <= l->most_negative; i++) l->table[l->zero - i] = -magnitudes[i];
    for (int i = 0; i + 1 < count; i++) l->boundaries[i] = (float)(((double)magnitudes[i] + magnitudes[i + 1]) / 2);
    if (map == IDF_DYNAMIC_UNSIGNED) l->boundaries[0] = 0;
    l->boundaries[count - 1] = INFINITY;
    // Bucket 0 is all below 2⁻²².
    for (int index = 1; index < IDF_DYNAMIC_STARTS; index++) {
        const int32_t bits = (index + IDF_DYNAMIC_FIRST - 1) << IDF_DYNAMIC_FRACTION_SHIFT;
        float low;
        memcpy(&low, &bits, sizeof low);
        int start = 0;
        while (l->boundaries[start] < low) start++;
        l->starts[index] = (uint8_t)start;
    }
}

static void make_all(void) {
    make_levels(IDF_DYNAMIC_SIGNED);
    make_levels(IDF_DYNAMIC_UNSIGNED);
}

const idf_dynamic_levels *idf_dynamic_levels_of(idf_dynamic_map map) {
    pthread_once(&levels_once, make_all);
    return &levels[map];
}

const float *idf_dynamic_table(idf_dynamic_map map) { return idf_dynamic_levels_of(map)->table; }

// MARK: - Blocks

typedef struct context {
    const idf_gradient_kernels *kernels;
    const idf_dynamic_levels *first, *second;
    uint8_t *codes, *second_codes;
    float *scales, *second_scales, *y;
    const float *x;
    const idf_adamw_factors *factors;
    int64_t n;
} context;

static void run(context *c, idf_task task) {
    c->kernels = idf_kernels_current()->gradients;
    idf_parallel(idf_divide_up(c->n, TASK_BLOCKS * IDF_DYNAMIC_BLOCK), task, c);
}

/// Elements of a task.
static int64_t task_end(const context *c, int64_t task) { return idf_min(c->n, (task + 1) * TASK_BLOCKS * IDF_DYNAMIC_BLOCK); }
static int64_t task_begin(int64_t task) { return task * TASK_BLOCKS * IDF_DYNAMIC_BLOCK; }

static void quantize(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    for (int64_t i = task_begin(task), end = task_end(c, task); i < end; i += IDF_DYNAMIC_BLOCK) {
        c->scales[i / IDF_DYNAMIC_BLOCK] =
            c->kernels->quantize_dynamic(c->codes + i, c->x + i, c->first, idf_min(IDF_DYNAMIC_BLOCK, end - i));
    }
}

void idf_dynamic_quantize(uint8_t *codes, float *scales, const float *x, idf_dynamic_map map, int64_t n) {
    context c = {.first = idf_dynamic_levels_of(map), .codes = codes, .scales = scales, .x = x, .n = n};
    run(&c, quantize);
}

/// One block.
static void expand(float *restrict y, const uint8_t *codes, float scale, const idf_dynamic_levels *levels, int64_t count) {
    for (int64_t i = 0; i < count; i++) y[i] = levels->table[codes[i]] * scale;
}

static void dequantize(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    for (int64_t i = task_begin(task), end = task_end(c, task); i < end; i += IDF_DYNAMIC_BLOCK) {
        expand(c->y + i, c->codes + i, c->scales[i / IDF_DYNAMIC_BLOCK], c->first, idf_min(IDF_DYNAMIC_BLOCK, end - i));
    }
}

void idf_dynamic_dequantize(float *y, const uint8_t *codes, const float *scales, idf_dynamic_map map, int64_t n) {
    context c = {.first = idf_dynamic_levels_of(map), .codes = (uint8_t *)codes, .scales = (float *)scales, .y = y, .n = n};
    run(&c, dequantize);
}

// MARK: - AdamW

static void adamw(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    float m[IDF_DYNAMIC_BLOCK], v[IDF_DYNAMIC_BLOCK];
    for (int64_t i = task_begin(task), end = task_end(c, task); i < end; i += IDF_DYNAMIC_BLOCK) {
        const int64_t block = i / IDF_DYNAMIC_BLOCK, count = idf_min(IDF_DYNAMIC_BLOCK, end - i);
        expand(m, c->codes + i, c->scales[block], c->first, count);
        expand(v, c->second_codes + i, c->second_scales[block], c->second, count);
        c->kernels->adamw(c->y + i, m, v, c->x + i, c->factors, count);
        c->scales[block] = c->kernels->quantize_dynamic(c->codes + i, m, c->first, count);
        c->second_scales[block] = c->kernels->quantize_dynamic(c->second_codes + i, v, c->second, count);
    }
}

void idf_adamw_8bit(float *parameters, uint8_t *first, float *first_scales, uint8_t *second, float *second_scales,
                    const float *gradient, const idf_adamw_step *step, int64_t n) {
    const idf_adamw_factors factors = idf_adamw_factors_of(step);
    context c = {.first = idf_dynamic_levels_of(IDF_DYNAMIC_SIGNED),
                 .second = idf_dynamic_levels_of(IDF_DYNAMIC_UNSIGNED),
                 .codes = first,
                 .second_codes = second,
                 .scales = first_scales,
                 .second_scales = second_scales,
                 .y = parameters,
                 .x = gradient,
                 .factors = &factors,
                 .n = n};
    run(&c, adamw);
}
