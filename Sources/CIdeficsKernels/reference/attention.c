// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

typedef struct context {
    const idf_attention_shape *shape;
    const idf_attention_segment *segment;
} context;

/// Element l of a head in a row of keys or values.
static double element(const idf_attention_shape *shape, const char *row, int64_t kv_head, int64_t l) {
    const int64_t i = kv_head * shape->head_dim + l;
    if (shape->kv_type != IDF_INT8) return idf_element_reference(row, shape->kv_type, i);
    return (double)((const int8_t *)row)[i] * idf_kv_scale(row, shape, kv_head);
}

/// Task: one query of one head.
static void query(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *context = argument;
    const idf_attention_shape *shape = context->shape;
    const idf_attention_segment *segment = context->segment;
    const int64_t dim = shape->head_dim, head = task % shape->heads, i = task / shape->heads;
    const int64_t kv_head = head / (shape->heads / shape->kv_heads);
    const float *q = segment->q + i * shape->q_stride + head * dim;
    float *out = segment->out + i * shape->out_stride + head * dim;
    const int64_t keys = idf_visible_keys(segment, i);
    float *scores = idf_scratch(IDF_SCRATCH_TASK, keys);

    double largest = -INFINITY, total = 0;
    for (int64_t j = 0; j < keys; j++) {
        const char *key = idf_block_row(segment->k_blocks, segment->block_tokens, j, shape->kv_stride);
        double sum = 0;
        for (int64_t l = 0; l < dim; l++) sum += (double)q[l] * element(shape, key, kv_head, l);
        scores[j] = (float)(sum * shape->scale);
        if (scores[j] > largest) largest = scores[j];
    }
    for (int64_t j = 0; j < keys; j++) {
        scores[j] = (float)exp(scores[j] - largest);
        total += scores[j];
    }
    for (int64_t j = 0; segment->dropout.keep != 0 && j < keys; j++) {
        float factor;
        idf_attention_keep(&factor, segment, shape, head, i, j, 1);
        scores[j] *= factor;
    }
    for (int64_t l = 0; l < dim; l++) {
        double sum = 0;
        for (int64_t j = 0; j < keys; j++) {
            const char *value = idf_block_row(segment->v_blocks, segment->block_tokens, j, shape->kv_stride);
            sum += scores[j] * element(shape, value, kv_head, l);
        }
        out[l] = keys == 0 ? 0 : (float)(sum / total);
    }
}

void idf_attention_reference(const idf_attention_shape *shape, const idf_attention_segment *segments, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        context context = {shape, &segments[i]};
        idf_parallel(segments[i].query_count * shape->heads, query, &context);
    }
}

float idf_kv_quantize_reference(int8_t *codes, const float *x, int64_t n) {
    float largest = 0;
    int is_finite = 1;
    for (int64_t l = 0; l < n; l++) {
        is_finite &= isfinite(x[l]) != 0;
        largest = fmaxf(largest, fabsf(x[l]));
    }
    if (!is_finite || largest < 0x1p-100f) {
        memset(codes, 0, (size_t)n);
        return is_finite ? 0 : NAN;
    }
    const float inverse = 127 / largest;
    for (int64_t l = 0; l < n; l++) codes[l] = (int8_t)rintf(x[l] * inverse);
    return largest / 127;
}
