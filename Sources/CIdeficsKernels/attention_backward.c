// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// A task takes one head of keys and a cluster of segments, so that it alone writes the gradients of these keys.

#include "gradients.h"

typedef struct context {
    const idf_attention_shape *shape;
    const idf_gradient_kernels *kernels;
    const idf_attention_gradient_part *parts;
    int64_t scratch;
} context;

static void run_part(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    c->kernels->attention(c->shape, &c->parts[task], idf_scratch(IDF_SCRATCH_TASK, c->scratch));
}

void idf_attention_backward(const idf_attention_gradient *segments, int64_t count, int64_t heads, int64_t kv_heads,
                            int64_t head_dim, int64_t q_stride, int64_t out_stride, int64_t kv_stride, float scale) {
    if (count <= 0 || heads <= 0 || head_dim <= 0) return;
    const idf_attention_shape shape = {heads, kv_heads, head_dim, q_stride, out_stride, IDF_F32, kv_stride * (int64_t)sizeof(float), scale};
    const idf_gradient_kernels *kernels = idf_kernels_current()->gradients;
    if (kernels->attention == NULL) {
        idf_attention_backward_reference(&shape, segments, count);
        return;
    }
    int64_t queries = 0;
    for (int64_t i = 0; i < count; i++) queries = idf_max(queries, segments[i].segment.query_count);
    const int64_t floats = idf_divide_up(count * kv_heads * (int64_t)sizeof(idf_attention_gradient_part), (int64_t)sizeof(float));
    idf_attention_gradient_part *parts = (void *)idf_scratch(IDF_SCRATCH_SHARED, floats), *next = parts;
    for (int64_t begin = 0, end = 0; begin < count; begin = end) {
        while (end < count && segments[end].cluster == segments[begin].cluster) end++;
        for (int64_t head = 0; head < kv_heads; head++) {
            *next++ = (idf_attention_gradient_part){&segments[begin], end - begin, head};
        }
    }
    context c = {&shape, kernels, parts, kernels->attention_scratch(head_dim, queries)};
    idf_parallel(next - parts, run_part, &c);
}
