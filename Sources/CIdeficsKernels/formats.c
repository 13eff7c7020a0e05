// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Quantizing and dequantizing whole weights: tasks are blocks of 16 rows, or runs of NF4 groups.

#include "kernels.h"

static const int64_t NF4_TASK_GROUPS = 256;

typedef struct context {
    const idf_format_kernels *kernels;
    void *out;
    const void *in, *scales;
    void *new_scales;
    idf_dtype format, dtype;
    const idf_kernels *casts;
    const int32_t *ids;
    int64_t n, k;
} context;

int64_t idf_quantized_bytes(idf_dtype format, int64_t n, int64_t k) {
    if (format == IDF_NF4) return (n * k + 1) / 2;
    return idf_divide_up(n, IDF_BLOCK_ROWS) * idf_groups(k) * idf_group_bytes(format);
}

int64_t idf_scale_count(idf_dtype format, int64_t n, int64_t k) {
    if (format == IDF_NF4) return idf_groups(n * k);
    return idf_divide_up(n, IDF_BLOCK_ROWS) * idf_groups(k) * IDF_BLOCK_ROWS;
}

// MARK: - Quantizing

static void quantize_block(void *argument, int64_t block, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t row = block * IDF_BLOCK_ROWS, groups = idf_groups(c->k);
    c->kernels->quantize((uint8_t *)c->out + block * groups * idf_group_bytes(c->format),
                         (uint16_t *)c->new_scales + block * groups * IDF_BLOCK_ROWS, c->format,
                         (const char *)c->in + (size_t)(row * c->k) * idf_dtype_size(c->dtype), c->dtype,
                         idf_min(IDF_BLOCK_ROWS, c->n - row), c->k);
}

static void quantize_nf4_groups(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t total = c->n * c->k, end = idf_min(idf_groups(total), (task + 1) * NF4_TASK_GROUPS);
    for (int64_t group = task * NF4_TASK_GROUPS; group < end; group++) {
        float x[IDF_GROUP];
        const int64_t first = group * IDF_GROUP, count = idf_min(IDF_GROUP, total - first);
        c->casts->to_f32(x, (const char *)c->in + (size_t)first * idf_dtype_size(c->dtype), c->dtype, count);
        c->kernels->quantize_nf4((uint8_t *)c->out + first / 2, (float *)c->new_scales + group, x, count);
    }
}

void idf_quantize(void *codes, void *scales, idf_dtype format, const void *weight, idf_dtype dtype, int64_t n, int64_t k) {
    if (n <= 0 || k <= 0) return;
    const idf_kernels *kernels = idf_kernels_current();
    context c = {.kernels = kernels->formats, .out = codes, .new_scales = scales, .format = format, .in = weight,
                 .dtype = dtype, .casts = kernels, .n = n, .k = k};
    if (format == IDF_NF4) {
        idf_parallel(idf_divide_up(idf_groups(n * k), NF4_TASK_GROUPS), quantize_nf4_groups, &c);
    } else {
        idf_parallel(idf_divide_up(n, IDF_BLOCK_ROWS), quantize_block, &c);
    }
}

void idf_nf4_absmax(float *out, const uint8_t *codes, const float *table256, const float *nested_absmax, float offset,
                    int64_t blocks) {
    for (int64_t i = 0; i < blocks; i++) {
        // Two statements, two roundings: as one expression they may become one fused operation.
        const float product = table256[codes[i]] * nested_absmax[i / 256];
        out[i] = product + offset;
    }
}

// MARK: - Dequantizing

static void dequantize_block(void *argument, int64_t block, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t row = block * IDF_BLOCK_ROWS, rows = idf_min(IDF_BLOCK_ROWS, c->n - row);
    idf_dequantize_rows(c->kernels, (float *)c->out + row * c->k, c->in, c->scales, c->format, row, rows, c->k);
}

void idf_dequantize_rows(const idf_format_kernels *kernels, float *y, const void *codes, const void *scales,
                         idf_dtype format, int64_t row, int64_t rows, int64_t k) {
    if (format == IDF_NF4) {
        kernels->dequantize_nf4(y, codes, scales, row * k, rows * k);
        return;
    }
    const int64_t block = row / IDF_BLOCK_ROWS, groups = idf_groups(k);
    kernels->dequantize(y, k, (const uint8_t *)codes + block * groups * idf_group_bytes(format),
                        (const uint16_t *)scales + block * groups * IDF_BLOCK_ROWS, format, rows, k);
}

void idf_dequantize(float *y, const void *codes, const void *scales, idf_dtype format, int64_t n, int64_t k) {
    if (n <= 0 || k <= 0) return;
    context c = {.kernels = idf_kernels_current()->formats, .out = y, .in = codes, .scales = scales, .format = format,
                 .n = n, .k = k};
    idf_parallel(idf_divide_up(n, IDF_BLOCK_ROWS), dequantize_block, &c);
}

/// One row out of a block: rows are interleaved, so element by element.
static void embed(void *argument, int64_t i, int thread) {
    (void)thread;
    const context *c = argument;
    float *y = (float *)c->out + i * c->k;
    const int64_t row = c->ids[i];
    if (c->format == IDF_NF4) {
        c->kernels->dequantize_nf4(y, c->in, c->scales, row * c->k, c->k);
        return;
    }
    const int64_t block = row / IDF_BLOCK_ROWS, r = row % IDF_BLOCK_ROWS, groups = idf_groups(c->k);
    for (int64_t g = 0; g < groups; g++) {
        const uint8_t *group = (const uint8_t *)c->in + (block * groups + g) * idf_group_bytes(c->format);
        const float scale = idf_f32_of_bf16(((const uint16_t *)c->scales)[(block * groups + g) * IDF_BLOCK_ROWS + r]);
        for (int64_t l = 0; l < idf_min(IDF_GROUP, c->k - g * IDF_GROUP); l++) {
            y[g * IDF_GROUP + l] = (float)idf_code(group, c->format, r, l) * scale;
        }
    }
}

void idf_embedding_quantized(float *y, const void *codes, const void *scales, idf_dtype format, const int32_t *ids,
                             int64_t rows, int64_t n) {
    if (rows <= 0 || n <= 0) return;
    context c = {.kernels = idf_kernels_current()->formats, .out = y, .in = codes, .scales = scales, .format = format,
                 .ids = ids, .k = n};
    idf_parallel(rows, embed, &c);
}
