// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "kernels.h"

enum { TASK_FLOATS = 16384 }; // of x a task converts: more than starting it costs

typedef struct context {
    char *rows;
    idf_dtype type;
    const float *x;
    int64_t count, kv_heads, head_dim, kv_stride, ldx, task_rows;
} context;

int64_t idf_kv_row_bytes(idf_dtype type, int64_t kv_heads, int64_t head_dim) {
    if (type == IDF_INT8) return kv_heads * (head_dim + (int64_t)sizeof(float));
    return kv_heads * head_dim * (int64_t)idf_dtype_size(type);
}

static void quantize_row(const context *c, char *row, const float *x) {
    const idf_attention_kernels *kernels = idf_kernels_current()->attention;
    float (*quantize)(int8_t *, const float *, int64_t) = kernels == NULL ? idf_kv_quantize_reference : kernels->quantize;
    for (int64_t head = 0; head < c->kv_heads; head++) {
        const float scale = quantize((int8_t *)row + head * c->head_dim, x + head * c->head_dim, c->head_dim);
        memcpy(row + c->kv_heads * c->head_dim + head * (int64_t)sizeof scale, &scale, sizeof scale);
    }
}

static void write_rows(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t end = idf_min(c->count, (task + 1) * c->task_rows);
    for (int64_t i = task * c->task_rows; i < end; i++) {
        char *row = c->rows + i * c->kv_stride;
        const float *x = c->x + i * c->ldx;
        if (c->type == IDF_INT8) {
            quantize_row(c, row, x);
        } else {
            idf_kernels_current()->from_f32(row, x, c->type, c->kv_heads * c->head_dim);
        }
    }
}

void idf_kv_write(void *rows, idf_dtype type, const float *x, int64_t count, int64_t kv_heads, int64_t head_dim,
                  int64_t kv_stride, int64_t ldx) {
    if (count <= 0 || kv_heads <= 0 || head_dim <= 0) return;
    const int64_t task_rows = idf_divide_up(TASK_FLOATS, kv_heads * head_dim);
    context c = {rows, type, x, count, kv_heads, head_dim, kv_stride, ldx, task_rows};
    idf_parallel(idf_divide_up(count, task_rows), write_rows, &c);
}
