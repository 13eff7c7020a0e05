// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

typedef struct context {
    const idf_attention_shape *shape;
    const idf_attention_segment *segment;
} context;

/// Task: one query of one head.
static void query(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *context = argument;
    const idf_attention_shape *shape = context->shape;
    const idf_attention_segment *segment = context->segment;
    const int64_t dim = shape->head_dim, head = task % shape->heads, i = task / shape->heads;
    const int64_t kv_offset = head / (shape->heads / shape->kv_heads) * dim;
    const float *q = segment->q + i * shape->q_stride + head * dim;
    float *out = segment->out + i * shape->out_stride + head * dim;
    const int64_t keys = idf_visible_keys(segment, i);
    float *scores = idf_scratch(IDF_SCRATCH_TASK, keys);

    double largest = -INFINITY, total = 0;
    for (int64_t j = 0; j < keys; j++) {
        const float *key = idf_block_row(segment->k_blocks, segment->block_tokens, j, shape->kv_stride, kv_offset);
        double sum = 0;
        for (int64_t l = 0; l < dim; l++) sum += (double)q[l] * key[l];
        scores[j] = (float)(sum * shape->scale);
        if (scores[j] > largest) largest = scores[j];
    }
    for (int64_t j = 0; j < keys; j++) total += exp(scores[j] - largest);
    for (int64_t l = 0; l < dim; l++) {
        double sum = 0;
        for (int64_t j = 0; j < keys; j++) {
            const float *value = idf_block_row(segment->v_blocks, segment->block_tokens, j, shape->kv_stride, kv_offset);
            sum += exp(scores[j] - largest) * value[l];
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
