// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "kernels.h"

void idf_attention(const idf_attention_segment *segments, int64_t count, int64_t heads, int64_t kv_heads,
                   int64_t head_dim, int64_t q_stride, int64_t out_stride, int64_t kv_stride, float scale) {
    const idf_attention_shape shape = {heads, kv_heads, head_dim, q_stride, out_stride, kv_stride, scale};
    idf_attention_reference(&shape, segments, count);
}
