// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "../gradients.h"
#include "reference.h"

typedef struct context {
    const idf_attention_shape *shape;
    const idf_attention_gradient *segments;
    int64_t count;
} context;

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
    return sum;
}

/// The gradients that one query of one head gives.
static void query(const idf_attention_shape *shape, const idf_attention_gradient *g, int64_t i, int64_t head, double *dq) {
    const idf_attention_segment *s = &g->segment;
    const int64_t dim = shape->head_dim, offset = head / (shape->heads / shape->kv_heads) * dim;
    const int64_t keys = idf_visible_keys(s, i), at = i * shape->out_stride + head * dim;
    const float *q = s->q + i * shape->q_stride + head * dim, *dout = g->dout + at;
    double largest = -INFINITY, total = 0, out_dot = 0;
    for (int64_t l = 0; l < dim; l++) dq[l] = 0;
    for (int64_t j = 0; j < keys; j++) {
        largest = fmax(largest, shape->scale * dot(q, idf_float_row(s->k_blocks, s->block_tokens, j, shape, offset), dim));
    }
    for (int pass = 0; pass < 3; pass++) {
        for (int64_t j = 0; j < keys; j++) {
            const float *k = idf_float_row(s->k_blocks, s->block_tokens, j, shape, offset);
            const float *v = idf_float_row(s->v_blocks, s->block_tokens, j, shape, offset);
            const double weight = exp(shape->scale * dot(q, k, dim) - largest);
            if (pass == 0) {
                total += weight;
                continue;
            }
            float factor = 1;
            if (s->dropout.keep != 0) idf_attention_keep(&factor, s, shape, head, i, j, 1);
            const double p = weight / total, slope = factor * dot(dout, v, dim);
            if (pass == 1) {
                out_dot += p * slope;
                continue;
            }
            const double ds = shape->scale * p * (slope - out_dot);
            for (int64_t l = 0; l < dim; l++) dq[l] += ds * k[l];
            if (g->dk_blocks == NULL) continue;
            float *dk = idf_gradient_row(g->dk_blocks, s->block_tokens, j, shape, offset);
            float *dv = idf_gradient_row(g->dv_blocks, s->block_tokens, j, shape, offset);
            for (int64_t l = 0; l < dim; l++) {
                dk[l] += (float)(ds * q[l]);
                dv[l] += (float)(p * factor * dout[l]);
            }
        }
    }
}

/// Task: one head of keys, so that nobody else adds to its gradients.
static void kv_head(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const idf_attention_shape *shape = c->shape;
    const int64_t group = shape->heads / shape->kv_heads;
    double *dq = (double *)(void *)idf_scratch(IDF_SCRATCH_TASK, 2 * shape->head_dim);
    for (int64_t s = 0; s < c->count; s++) {
        const idf_attention_gradient *g = &c->segments[s];
        for (int64_t head = task * group; head < (task + 1) * group; head++) {
            for (int64_t i = 0; i < g->segment.query_count; i++) {
                query(shape, g, i, head, dq);
                for (int64_t l = 0; g->dq != NULL && l < shape->head_dim; l++) {
                    g->dq[i * shape->out_stride + head * shape->head_dim + l] = (float)dq[l];
                }
            }
        }
    }
}

void idf_attention_backward_reference(const idf_attention_shape *shape, const idf_attention_gradient *segments,
                                      int64_t count) {
    context c = {shape, segments, count};
    idf_parallel(shape->kv_heads, kv_head, &c);
}
