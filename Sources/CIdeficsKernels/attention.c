// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Many queries: a task takes up to IDF_ATTENTION_QUERIES of one head and walks over the keys in tiles. Few queries (a
// decoding step): a task takes IDF_ATTENTION_KEYS keys of many heads, so that key rows are read in one piece, and the
// partial results are merged. Where ranges of keys begin depends on the sizes alone, so threads never change a result.

#include "kernels.h"

typedef struct context {
    const idf_attention_shape *shape;
    const idf_attention_kernels *kernels;
    const idf_attention_segment *segments;
    const idf_attention_part *parts;
    int64_t scratch;
} context;

static int is_streamed(const idf_attention_segment *segment) {
    return segment->query_count <= IDF_ATTENTION_FEW_QUERIES && segment->key_count > 0 && segment->dropout.keep == 0;
}

static int64_t tiles_of(const idf_attention_segment *segment) {
    return idf_divide_up(segment->query_count, IDF_ATTENTION_QUERIES);
}

/// Ranges of keys the streamed form takes for a query.
static int64_t ranges_of(const idf_attention_segment *segment, int64_t query) {
    return idf_divide_up(idf_visible_keys(segment, query), IDF_ATTENTION_KEYS);
}

static void run_part(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const idf_attention_part *part = &c->parts[task];
    float *scratch = idf_scratch(IDF_SCRATCH_TASK, c->scratch);
    if (part->partial != NULL) {
        c->kernels->streamed(c->shape, part, scratch);
    } else {
        c->kernels->tiled(c->shape, part, scratch);
    }
}

// MARK: - Cutting

/// Appends the tiles of a segment: head by head, since those of a head read the same keys while a cache has them, and
/// those with most keys first so that no thread ends late.
static idf_attention_part *add_tiles(idf_attention_part *part, const idf_attention_segment *segment, int64_t heads) {
    const int64_t tiles = tiles_of(segment);
    for (int64_t head = 0; head < heads; head++) {
        for (int64_t tile = tiles - 1; tile >= 0; tile--) {
            *part++ = (idf_attention_part){
                .segment = segment,
                .query = segment->query_count * tile / tiles,
                .query_end = segment->query_count * (tile + 1) / tiles,
                .head = head,
                .head_end = head + 1,
                .key_end = segment->key_count,
            };
        }
    }
    return part;
}

/// Appends the ranges of a segment; *partial moves on by what they write.
static idf_attention_part *add_ranges(idf_attention_part *part, const idf_attention_segment *segment,
                                      const idf_attention_shape *shape, int64_t group, float **partial) {
    const int64_t stride = idf_attention_partial(shape->head_dim);
    for (int64_t query = 0; query < segment->query_count; query++) {
        const int64_t keys = idf_visible_keys(segment, query), ranges = ranges_of(segment, query);
        for (int64_t range = 0; range < ranges; range++) {
            for (int64_t head = 0; head < shape->heads; head += group) {
                *part++ = (idf_attention_part){
                    .segment = segment,
                    .query = query,
                    .query_end = query + 1,
                    .head = head,
                    .head_end = idf_min(head + group, shape->heads),
                    .key = range * IDF_ATTENTION_KEYS,
                    .key_end = idf_min((range + 1) * IDF_ATTENTION_KEYS, keys),
                    .partial = *partial + head * stride,
                };
            }
            *partial += shape->heads * stride;
        }
    }
    return part;
}

// MARK: - Merging

/// Joins the ranges of one query and head: out = Σ exp(mᵢ − m) · oᵢ / Σ exp(mᵢ − m) · lᵢ.
static void merge_head(const context *c, const idf_attention_segment *segment, const float *partial, int64_t query,
                       int64_t head) {
    const idf_attention_shape *shape = c->shape;
    const int64_t dim = shape->head_dim, stride = idf_attention_partial(dim), ranges = ranges_of(segment, query);
    float *out = segment->out + query * shape->out_stride + head * dim;
    const float *first = partial + head * stride;
    float largest = -INFINITY, total = 0;
    for (int64_t range = 0; range < ranges; range++) largest = fmaxf(largest, first[range * shape->heads * stride + dim]);
    for (int64_t l = 0; l < dim; l++) out[l] = 0;
    for (int64_t range = 0; range < ranges; range++) {
        const float *o = first + range * shape->heads * stride;
        const float factor = expf(o[dim] - largest);
        total += factor * o[dim + 1];
        for (int64_t l = 0; l < dim; l++) out[l] += factor * o[l];
    }
    for (int64_t l = 0; l < dim; l++) out[l] /= total;
}

static void merge(const context *c, int64_t count, const float *partial) {
    const int64_t stride = idf_attention_partial(c->shape->head_dim) * c->shape->heads;
    for (int64_t i = 0; i < count; i++) {
        const idf_attention_segment *segment = &c->segments[i];
        if (!is_streamed(segment)) continue;
        for (int64_t query = 0; query < segment->query_count; query++) {
            for (int64_t head = 0; head < c->shape->heads; head++) merge_head(c, segment, partial, query, head);
            partial += ranges_of(segment, query) * stride;
        }
    }
}

// MARK: - Public

idf_attention_dropout idf_attention_dropout_of(double p, uint64_t seed, uint64_t offset, int64_t row) {
    return (idf_attention_dropout){
        .seed = idf_mixed(idf_mixed(seed, 0), offset), // seeds are often small numbers
        .limit = (uint32_t)(p * 0x1p32),
        .keep = p > 0 ? (float)(1 / (1 - p)) : 0,
        .row = row,
    };
}

void idf_attention(const idf_attention_segment *segments, int64_t count, int64_t heads, int64_t kv_heads,
                   int64_t head_dim, int64_t q_stride, int64_t out_stride, idf_dtype kv_type, int64_t kv_stride,
                   float scale) {
    if (count <= 0 || heads <= 0 || head_dim <= 0) return;
    const idf_attention_shape shape = {heads, kv_heads, head_dim, q_stride, out_stride, kv_type, kv_stride, scale};
    const idf_attention_kernels *kernels = idf_kernels_current()->attention;
    if (kernels == NULL) {
        idf_attention_reference(&shape, segments, count);
        return;
    }

    int64_t tiles = 0, ranges = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!is_streamed(&segments[i])) {
            tiles += tiles_of(&segments[i]);
            continue;
        }
        for (int64_t query = 0; query < segments[i].query_count; query++) ranges += ranges_of(&segments[i], query);
    }
    // Whole rows of keys per task, unless that leaves threads idle.
    const int64_t tasks = 4 * (int64_t)idf_thread_count();
    const int64_t groups = ranges == 0 ? 1 : idf_max(idf_divide_up(heads, IDF_ATTENTION_HEADS), idf_divide_up(tasks, ranges));
    const int64_t group = idf_max(1, heads / idf_min(groups, heads));
    const int64_t part_count = tiles * heads + ranges * idf_divide_up(heads, group);
    const int64_t part_floats = idf_divide_up(part_count * (int64_t)sizeof(idf_attention_part), 64) * 16;

    float *shared = idf_scratch(IDF_SCRATCH_SHARED, part_floats + ranges * heads * idf_attention_partial(head_dim));
    idf_attention_part *parts = (idf_attention_part *)(void *)shared, *next = parts;
    float *partial = shared + part_floats;
    for (int64_t i = 0; i < count; i++) {
        next = is_streamed(&segments[i]) ? add_ranges(next, &segments[i], &shape, group, &partial)
                                         : add_tiles(next, &segments[i], heads);
    }
    context c = {&shape, kernels, segments, parts, kernels->scratch(head_dim)};
    idf_parallel(next - parts, run_part, &c);
    merge(&c, count, shared + part_floats);
}
