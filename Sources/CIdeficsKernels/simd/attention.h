// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: the inner loops of idf_attention over the vectors of one instruction set (include a vectors_*.h first).
// Scores of a tile live in the L1/L2 cache; the softmax is online: every tile of keys rescales what came before.

#include "kv.h"
#include "math.h"

enum {
    QUERIES = IDF_ATTENTION_QUERIES,
    KEYS = IDF_ATTENTION_KEYS,
    SCORE_STRIDE = KEYS + 16, // an odd number of cache lines: rows of a tile fall into different sets
};

static int64_t attention_scratch(int64_t head_dim) {
    const int64_t queries = QUERIES * head_dim, keys = KEYS * head_dim, values = KEYS * padded(head_dim);
    const int64_t sums = QUERIES * (padded(head_dim) + SCORE_STRIDE + 3);
    return idf_max(queries + keys + values + sums + 64, (int64_t)IDF_ATTENTION_HEADS * KEYS);
}

// MARK: - Softmax

static const float lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// Scales n scores in place and returns the largest, at least `largest`.
IDF_INLINE float scale_scores(float *scores, float scale, float largest, int64_t n) {
    const vf factor = v_set(scale);
    vf best = v_set(largest);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vf s = v_mul(v_load(scores + i), factor);
        v_store(scores + i, s);
        best = v_max(s, best);
    }
    largest = v_largest(best);
    for (; i < n; i++) {
        scores[i] *= scale;
        largest = scores[i] > largest ? scores[i] : largest;
    }
    return largest;
}

/// scores = exp(scores − largest) for n, 0 up to `end` (<= n rounded up to vectors, or more); returns their sum.
IDF_INLINE float weigh_scores(float *scores, float largest, int64_t n, int64_t end) {
    // Scores of -inf alone weigh nothing: later keys may still count.
    const vf shift = v_set(largest == -INFINITY ? 0 : largest);
    vf sum = v_zero();
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vf w = v_exp_negative(v_sub(v_load(scores + i), shift));
        v_store(scores + i, w);
        sum = v_add(sum, w);
    }
    if (i < n) {
        // exp(-inf) is exactly 0 in the lanes past the end.
        const vm inside = v_less(v_load(lane_numbers), v_set((float)(n - i)));
        const vf w = v_exp_negative(v_sub(v_select(inside, v_load_n(scores + i, n - i), v_set(-INFINITY)), shift));
        v_store_n(scores + i, w, n - i);
        sum = v_add(sum, w);
    }
    for (int64_t j = n; j < end; j++) scores[j] = 0;
    return v_sum(sum);
}

IDF_INLINE void scale_row(float *row, float factor, int64_t n) {
    for (int64_t l = 0; l < n; l += LANES) v_store(row + l, v_mul(v_load(row + l), v_set(factor)));
}

// MARK: - Tiled

/// Buffers of one tiled part, and what stays the same over its tiles of keys.
typedef struct tiles {
    const idf_attention_shape *shape;
    const idf_attention_segment *segment;
    int64_t query, head, rows, panels, width;
    float *queries;                   ///< [panel][head_dim][rows of the panel]
    float *keys, *values;
    float *scores;                    ///< [rows, SCORE_STRIDE]
    float *sums;                      ///< [rows, width], not yet divided
    float *largest, *totals, *factors; ///< [rows]
} tiles;

static int64_t tile_begin(const tiles *t, int64_t panel) { return t->rows * panel / t->panels; }

/// Keys of the tile first..<first + count that a row sees.
static int64_t visible(const tiles *t, int64_t row, int64_t first, int64_t count) {
    return idf_max(0, idf_min(count, idf_visible_keys(t->segment, t->query + row) - first));
}

static void score_tile(const tiles *t, int64_t first, int64_t count) {
    const int64_t dim = t->shape->head_dim;
    for (int64_t panel = 0; panel < t->panels; panel++) {
        const int64_t begin = tile_begin(t, panel), rows = tile_begin(t, panel + 1) - begin;
        const int64_t keys = visible(t, begin + rows - 1, first, count);
        const float *a = t->queries + begin * dim;
        float *c = t->scores + begin * SCORE_STRIDE;
        for (int64_t j = 0; j < keys; j += TILE_COLUMNS) {
            if (keys - j > LANES) {
                tile_product(c + j, SCORE_STRIDE, a, 1, rows, t->keys + j * dim, TILE_COLUMNS, rows, 2, dim, 0);
            } else {
                tile_product(c + j, SCORE_STRIDE, a, 1, rows, t->keys + j * dim, TILE_COLUMNS, rows, 1, dim, 0);
            }
        }
    }
}

/// Drops weights of a row, of those in training.
static void drop_weights(const tiles *t, int64_t row, int64_t first, int64_t count) {
    float factors[SCORE_STRIDE], *weights = t->scores + row * SCORE_STRIDE;
    idf_attention_keep(factors, t->segment, t->shape, t->head, t->query + row, first, count);
    for (int64_t j = 0; j < count; j++) weights[j] *= factors[j];
}

static void soften_tile(const tiles *t, int64_t first, int64_t count) {
    for (int64_t row = 0; row < t->rows; row++) {
        const float largest = scale_scores(t->scores + row * SCORE_STRIDE, t->shape->scale, t->largest[row],
                                           visible(t, row, first, count));
        t->factors[row] = largest == -INFINITY ? 0 : t->largest[row] - largest;
        t->largest[row] = largest;
    }
    for (int64_t row = 0; row < t->rows; row += LANES) {
        v_store(t->factors + row, v_exp_negative(v_load(t->factors + row)));
    }
    for (int64_t row = 0; row < t->rows; row++) {
        const float sum = weigh_scores(t->scores + row * SCORE_STRIDE, t->largest[row], visible(t, row, first, count), count);
        t->totals[row] = first == 0 ? sum : t->totals[row] * t->factors[row] + sum;
        if (t->segment->dropout.keep != 0) drop_weights(t, row, first, visible(t, row, first, count));
        if (first != 0 && t->factors[row] != 1) scale_row(t->sums + row * t->width, t->factors[row], t->width);
    }
}

static void add_values(const tiles *t, int64_t first, int64_t count) {
    for (int64_t panel = 0; panel < t->panels; panel++) {
        const int64_t begin = tile_begin(t, panel), rows = tile_begin(t, panel + 1) - begin;
        const int64_t keys = visible(t, begin + rows - 1, first, count);
        const float *a = t->scores + begin * SCORE_STRIDE;
        float *c = t->sums + begin * t->width;
        for (int64_t l = 0; l < t->width; l += TILE_COLUMNS) {
            if (t->width - l > LANES) {
                tile_product(c + l, t->width, a, SCORE_STRIDE, 1, t->values + l, t->width, rows, 2, keys, first != 0);
            } else {
                tile_product(c + l, t->width, a, SCORE_STRIDE, 1, t->values + l, t->width, rows, 1, keys, first != 0);
            }
        }
    }
}

static void write_rows(const tiles *t, int64_t head) {
    const int64_t dim = t->shape->head_dim;
    for (int64_t row = 0; row < t->rows; row++) {
        float *out = t->segment->out + (t->query + row) * t->shape->out_stride + head * dim;
        const float *sums = t->sums + row * t->width;
        const vf factor = v_set(t->segment->key_count > 0 ? 1 / t->totals[row] : 0);
        int64_t l = 0;
        for (; l + LANES <= dim; l += LANES) v_store(out + l, v_mul(v_load(sums + l), factor));
        if (l < dim) v_store_n(out + l, v_mul(v_load(sums + l), factor), dim - l);
    }
}

static void tiled(const idf_attention_shape *shape, const idf_attention_part *part, float *scratch) {
    const idf_attention_segment *segment = part->segment;
    const int64_t dim = shape->head_dim, rows = part->query_end - part->query;
    tiles t = {.shape = shape, .segment = segment, .query = part->query, .rows = rows, .width = padded(dim)};
    t.head = part->head;
    t.panels = idf_divide_up(rows, TILE_ROWS);
    // Whole vectors first: those stay aligned.
    t.values = scratch;
    t.sums = t.values + KEYS * t.width;
    t.scores = t.sums + QUERIES * t.width;
    t.largest = t.scores + QUERIES * SCORE_STRIDE;
    t.totals = t.largest + QUERIES;
    t.factors = t.totals + QUERIES;
    t.keys = t.factors + QUERIES;
    t.queries = t.keys + KEYS * dim;

    for (int64_t row = 0; row < rows; row++) t.largest[row] = -INFINITY;
    for (int64_t panel = 0; panel < t.panels; panel++) {
        const int64_t begin = tile_begin(&t, panel), count = tile_begin(&t, panel + 1) - begin;
        const float *q = segment->q + (part->query + begin) * shape->q_stride + part->head * dim;
        pack_rows(t.queries + begin * dim, q, shape->q_stride, count, dim);
    }

    const int64_t keys = idf_visible_keys(segment, part->query_end - 1), kv_head = kv_head_of(shape, part->head);
    // Tiles of about the same size: none is nearly empty.
    const int64_t step = idf_divide_up(idf_divide_up(keys, idf_max(1, idf_divide_up(keys, KEYS))), 32) * 32;
    const char *rows_of_keys[KEYS], *rows_of_values[KEYS];
    find_rows(rows_of_keys, shape, segment, segment->k_blocks, 0, idf_min(step, keys));
    for (int64_t first = 0; first < keys; first += step) {
        const int64_t count = idf_min(step, keys - first);
        const int64_t next = first + count, next_count = idf_min(step, keys - next);
        pack_keys(t.keys, shape, rows_of_keys, kv_head, count);
        find_rows(rows_of_values, shape, segment, segment->v_blocks, first, count);
        fetch_rows(shape, rows_of_values, kv_head, count);
        score_tile(&t, first, count);
        soften_tile(&t, first, count);
        pack_values(t.values, shape, rows_of_values, kv_head, count);
        find_rows(rows_of_keys, shape, segment, segment->k_blocks, next, next_count);
        fetch_rows(shape, rows_of_keys, kv_head, next_count);
        add_values(&t, first, count);
    }
    if (keys == 0) memset(t.sums, 0, (size_t)(rows * t.width) * sizeof(float));
    write_rows(&t, part->head);
}

// MARK: - Streamed

enum { GROUP = 8 }; // rows taken together: their sums run in parallel

/// Asks for a head of the rows GROUP rows on. Only for INT8: its rows are about as long as a page of memory, where what
/// a processor fetches ahead by itself ends; longer rows are slower with it.
IDF_INLINE void fetch_ahead(const char *const *rows, const idf_dtype type, int64_t kv_head, int64_t dim) {
    if (type != IDF_INT8) return;
    for (int i = GROUP; i < 2 * GROUP; i++) {
        const char *p = rows[i] + kv_bytes(type, kv_head * dim);
        for (int64_t byte = 0; byte < kv_bytes(type, dim); byte += 64) __builtin_prefetch(p + byte, 0, 2);
    }
}

/// scores[i] = q · rows[i] for `count` keys, a constant where this is inlined.
IDF_INLINE void score_keys(float *scores, const float *q, const char *const *rows, const idf_attention_shape *shape,
                           const idf_dtype type, int64_t kv_head, const int count) {
    const int64_t dim = shape->head_dim, offset = kv_head * dim;
    vf sums[GROUP];
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) sums[i] = v_zero();
    int64_t l = 0;
    for (; l + LANES <= dim; l += LANES) {
        const vf x = v_load(q + l);
#pragma clang loop unroll(full)
        for (int i = 0; i < count; i++) sums[i] = v_fma(x, load_kv(rows[i], type, offset + l, LANES), sums[i]);
    }
    if (l < dim) {
        const vf x = v_load_n(q + l, dim - l);
#pragma clang loop unroll(full)
        for (int i = 0; i < count; i++) sums[i] = v_fma(x, load_kv(rows[i], type, offset + l, dim - l), sums[i]);
    }
    if (count == GROUP) {
#pragma clang loop unroll(full)
        for (int i = 0; i < GROUP; i += 4) v_sums(scores + i, sums + i);
    } else {
        for (int i = 0; i < count; i++) scores[i] = v_sum(sums[i]);
    }
    if (type != IDF_INT8) return;
    for (int i = 0; i < count; i++) scores[i] *= idf_kv_scale(rows[i], shape, kv_head);
}

/// out += weights · rows for `count` values, a constant where this is inlined.
IDF_INLINE void add_rows(float *out, const float *weights, const char *const *rows, const idf_attention_shape *shape,
                         const idf_dtype type, int64_t kv_head, const int count) {
    const int64_t dim = shape->head_dim, offset = kv_head * dim;
    vf factors[GROUP];
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) {
        factors[i] = v_set(type == IDF_INT8 ? weights[i] * idf_kv_scale(rows[i], shape, kv_head) : weights[i]);
    }
    int64_t l = 0;
    for (; l + LANES <= dim; l += LANES) {
        vf sum = v_load(out + l);
#pragma clang loop unroll(full)
        for (int i = 0; i < count; i++) sum = v_fma(factors[i], load_kv(rows[i], type, offset + l, LANES), sum);
        v_store(out + l, sum);
    }
    if (l < dim) {
        vf sum = v_load_n(out + l, dim - l);
#pragma clang loop unroll(full)
        for (int i = 0; i < count; i++) sum = v_fma(factors[i], load_kv(rows[i], type, offset + l, dim - l), sum);
        v_store_n(out + l, sum, dim - l);
    }
}

IDF_INLINE void streamed_of(const idf_attention_shape *shape, const idf_attention_part *part, float *scratch,
                            const idf_dtype type) {
    const idf_attention_segment *segment = part->segment;
    const int64_t dim = shape->head_dim, count = part->key_end - part->key, stride = idf_attention_partial(dim);
    const int64_t heads = part->head_end - part->head;
    const float *q = segment->q + part->query * shape->q_stride + part->head * dim;
    int64_t kv_heads[IDF_ATTENTION_HEADS];
    const char *rows[KEYS];

    for (int64_t head = 0; head < heads; head++) kv_heads[head] = kv_head_of(shape, part->head + head);
    find_rows(rows, shape, segment, segment->k_blocks, part->key, count);
    for (int64_t i = 0; i < count; i += GROUP) {
        for (int64_t head = 0; head < heads; head++) {
            float *scores = scratch + head * KEYS + i;
            if (count - i >= 2 * GROUP) fetch_ahead(rows + i, type, kv_heads[head], dim);
            if (count - i >= GROUP) {
                score_keys(scores, q + head * dim, rows + i, shape, type, kv_heads[head], GROUP);
            } else {
                for (int64_t j = 0; j < count - i; j++) {
                    score_keys(scores + j, q + head * dim, rows + i + j, shape, type, kv_heads[head], 1);
                }
            }
        }
    }
    for (int64_t head = 0; head < heads; head++) {
        float *scores = scratch + head * KEYS, *partial = part->partial + head * stride;
        const float largest = scale_scores(scores, shape->scale, -INFINITY, count);
        for (int64_t l = 0; l < dim; l++) partial[l] = 0;
        partial[dim] = largest;
        partial[dim + 1] = weigh_scores(scores, largest, count, count);
    }
    find_rows(rows, shape, segment, segment->v_blocks, part->key, count);
    for (int64_t i = 0; i < count; i += GROUP) {
        for (int64_t head = 0; head < heads; head++) {
            const float *weights = scratch + head * KEYS + i;
            float *partial = part->partial + head * stride;
            if (count - i >= 2 * GROUP) fetch_ahead(rows + i, type, kv_heads[head], dim);
            if (count - i >= GROUP) {
                add_rows(partial, weights, rows + i, shape, type, kv_heads[head], GROUP);
            } else {
                for (int64_t j = 0; j < count - i; j++) {
                    add_rows(partial, weights + j, rows + i + j, shape, type, kv_heads[head], 1);
                }
            }
        }
    }
}

static void streamed(const idf_attention_shape *shape, const idf_attention_part *part, float *scratch) {
    switch (shape->kv_type) {
    case IDF_BF16: streamed_of(shape, part, scratch, IDF_BF16); break;
    case IDF_INT8: streamed_of(shape, part, scratch, IDF_INT8); break;
    default: streamed_of(shape, part, scratch, IDF_F32); break;
    }
}

const idf_attention_kernels IDF_NAME(idf_attention) = {
    .scratch = attention_scratch,
    .tiled = tiled,
    .streamed = streamed,
    .quantize = quantize_head,
};
