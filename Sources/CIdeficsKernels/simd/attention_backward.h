// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: the gradient of idf_attention for one head of keys, over the vectors of one instruction set (include a
// vectors_*.h first). With P = softmax(scale · q kᵀ) and out = P v:
//   dP = dout vᵀ, dS = scale · P ⊙ (dP − rowsum(dout ⊙ out)), dq = dS k, dk = dSᵀ q, dv = Pᵀ dout.
// With dropout, out = (P ⊙ M) v, and M multiplies dP there and P in dv.
// Keys are taken in tiles, for each of them queries in tiles; a tile of P comes from the scores, computed once more, and
// the logarithm of their sum, for which the scores are computed a first time.

#include "../gradients.h"
#include "math.h"
#include "pack.h"
#include "tile.h"

enum {
    QUERIES = IDF_ATTENTION_QUERIES,
    KEYS = IDF_ATTENTION_KEYS,
    SCORE_STRIDE = KEYS + 16, // an odd number of cache lines: rows of a tile fall into different sets
};

static int64_t padded(int64_t head_dim) { return idf_divide_up(head_dim, TILE_COLUMNS) * TILE_COLUMNS; }

int64_t IDF_NAME(idf_attention_backward_scratch)(int64_t head_dim, int64_t queries);
void IDF_NAME(idf_attention_backward)(const idf_attention_shape *shape, const idf_attention_gradient_part *part, float *scratch);

int64_t IDF_NAME(idf_attention_backward_scratch)(int64_t head_dim, int64_t queries) {
    return (3 * queries + 6 * KEYS) * padded(head_dim) + 2 * QUERIES * SCORE_STRIDE + 2 * queries;
}

/// Buffers of one head of queries, and what stays the same over its tiles.
typedef struct tiles {
    const idf_attention_shape *shape;
    const idf_attention_segment *segment;
    int64_t queries, head, dim, width;
    float *q, *dout, *dq;       ///< [queries, width], padded with 0
    float *sums;                ///< logarithms of the sums of exp(score), [queries]
    float *dots;                ///< rowsum(dout ⊙ out), [queries]
    float *k, *v;               ///< [keys of the tile, width], padded with 0
    float *k_columns, *v_columns; ///< the same as [panel][dim][TILE_COLUMNS]
    float *dk, *dv;             ///< [KEYS, width]
    float *weights, *slopes;    ///< P and dS, [QUERIES, SCORE_STRIDE]
} tiles;

// MARK: - Copies

IDF_INLINE void copy_row(float *out, const float *row, int64_t dim, int64_t width) {
    int64_t l = 0;
    for (; l + LANES <= dim; l += LANES) v_store(out + l, v_load(row + l));
    if (l < dim) {
        v_store(out + l, v_load_n(row + l, dim - l));
        l += LANES;
    }
    for (; l < width; l += LANES) v_store(out + l, v_zero());
}

/// rows and columns of keys (or values) first..<first + count.
static void load_keys(const tiles *t, float *rows, float *columns, const void *const *blocks, int64_t offset, int64_t first,
                      int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        const float *row = idf_float_row(blocks, t->segment->block_tokens, first + i, t->shape, offset);
        copy_row(rows + i * t->width, row, t->dim, t->width);
    }
    for (int64_t begin = 0; begin < idf_divide_up(count, TILE_COLUMNS) * TILE_COLUMNS; begin += LANES) {
        float *panel = columns + begin / TILE_COLUMNS * TILE_COLUMNS * t->dim + begin % TILE_COLUMNS;
        pack_lanes(panel, TILE_COLUMNS, (const char *)(rows + begin * t->width), IDF_F32, t->width,
                   idf_max(0, idf_min(LANES, count - begin)), t->dim);
    }
}

static void add_to_blocks(const tiles *t, float *const *blocks, const float *rows, int64_t offset, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; i++, rows += t->width) {
        float *out = idf_gradient_row(blocks, t->segment->block_tokens, first + i, t->shape, offset);
        int64_t l = 0;
        for (; l + LANES <= t->dim; l += LANES) v_store(out + l, v_add(v_load(out + l), v_load(rows + l)));
        if (l < t->dim) v_store_n(out + l, v_add(v_load_n(out + l, t->dim - l), v_load(rows + l)), t->dim - l);
    }
}

// MARK: - Products

/// out [rows, SCORE_STRIDE] = a [rows, width] · the first `keys` columns, for rows of queries.
static void score(const tiles *t, float *out, const float *a, const float *columns, int64_t rows, int64_t keys) {
    for (int64_t begin = 0; begin < rows; begin += TILE_ROWS) {
        const int64_t count = idf_min(TILE_ROWS, rows - begin);
        for (int64_t j = 0; j < keys; j += TILE_COLUMNS) {
            tile_product(out + begin * SCORE_STRIDE + j, SCORE_STRIDE, a + begin * t->width, t->width, 1, columns + j * t->dim,
                         TILE_COLUMNS, count, 2, t->dim, 0);
        }
    }
}

/// c [rows, width] += a · b [steps, width]; element (row, step) of a lies at a_row · row + a_step · step.
static void add_rows(const tiles *t, float *c, const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t rows,
                     int64_t steps) {
    for (int64_t begin = 0; begin < rows; begin += TILE_ROWS) {
        const int64_t count = idf_min(TILE_ROWS, rows - begin);
        for (int64_t l = 0; l < t->width; l += TILE_COLUMNS) {
            tile_product(c + begin * t->width + l, t->width, a + begin * a_row, a_row, a_step, b + l, t->width, count, 2, steps, 1);
        }
    }
}

// MARK: - Softmax

/// Keys of first..<first + count that query `row` sees.
static int64_t visible(const tiles *t, int64_t row, int64_t first, int64_t count) {
    return idf_max(0, idf_min(count, idf_visible_keys(t->segment, row) - first));
}

/// Joins the scores of a tile into the largest and the sum so far of each query, [queries] each.
static void sum_tile(const tiles *t, float *largest, float *totals, int64_t query, int64_t rows, int64_t first, int64_t count) {
    for (int64_t i = 0; i < rows; i++) {
        const float *scores = t->weights + i * SCORE_STRIDE;
        const int64_t n = visible(t, query + i, first, count);
        if (n == 0) continue;
        vf best = v_set(-INFINITY);
        int64_t j = 0;
        for (; j + LANES <= n; j += LANES) best = v_max(best, v_load(scores + j));
        float most = v_largest(best);
        for (; j < n; j++) most = scores[j] > most ? scores[j] : most;
        most *= t->shape->scale;
        const float before = largest[query + i], after = most > before ? most : before;
        const vf shift = v_set(after), scale = v_set(t->shape->scale);
        vf sum = v_zero();
        for (j = 0; j + LANES <= n; j += LANES) {
            sum = v_add(sum, v_exp_negative(v_sub(v_mul(v_load(scores + j), scale), shift)));
        }
        if (j < n) {
            float rest[LANES];
            v_store(rest, v_set(-INFINITY));
            for (int64_t l = 0; j + l < n; l++) rest[l] = scores[j + l] * t->shape->scale;
            sum = v_add(sum, v_exp_negative(v_sub(v_load(rest), shift)));
        }
        totals[query + i] = (before == -INFINITY ? 0 : totals[query + i] * expf(before - after)) + v_sum(sum);
        largest[query + i] = after;
    }
}

/// Scores and dP of a tile become P and dS; what a query does not see becomes 0.
static void slope_tile(const tiles *t, int64_t query, int64_t rows, int64_t first, int64_t count) {
    const vf scale = v_set(t->shape->scale);
    const int64_t end = idf_divide_up(count, LANES) * LANES;
    for (int64_t i = 0; i < rows; i++) {
        float *p = t->weights + i * SCORE_STRIDE, *s = t->slopes + i * SCORE_STRIDE;
        const int64_t n = visible(t, query + i, first, count);
        const vf sum = v_set(t->sums[query + i]), dot = v_set(t->dots[query + i]);
        float factors[SCORE_STRIDE];
        const int is_dropping = t->segment->dropout.keep != 0;
        if (is_dropping) {
            idf_attention_keep(factors, t->segment, t->shape, t->head, query + i, first, n);
            for (int64_t j = 0; j < n; j++) s[j] *= factors[j];
        }
        for (int64_t j = 0; j < n; j += LANES) {
            const vf weight = v_exp_negative(v_sub(v_mul(v_load(p + j), scale), sum));
            v_store(s + j, v_mul(v_mul(weight, scale), v_sub(v_load(s + j), dot)));
            v_store(p + j, weight);
        }
        for (int64_t j = 0; is_dropping && j < n; j++) p[j] *= factors[j];
        for (int64_t j = n; j < end; j++) p[j] = s[j] = 0;
    }
}

// MARK: - One head

static float dot_row(const float *a, const float *b, int64_t n) {
    vf sum = v_zero();
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) sum = v_fma(v_load(a + i), v_load(b + i), sum);
    if (i < n) sum = v_fma(v_load_n(a + i, n - i), v_load_n(b + i, n - i), sum);
    return v_sum(sum);
}

/// First query of a tile that starts at `query` or later and sees key `first`.
static int64_t first_seeing(const tiles *t, int64_t first) {
    if (t->segment->causal_past < 0) return 0;
    return idf_max(0, first - t->segment->causal_past) / QUERIES * QUERIES;
}

static void load_queries(const tiles *t, const idf_attention_gradient *g, int64_t head) {
    const idf_attention_shape *shape = t->shape;
    for (int64_t i = 0; i < t->queries; i++) {
        const int64_t at = i * shape->out_stride + head * t->dim;
        copy_row(t->q + i * t->width, g->segment.q + i * shape->q_stride + head * t->dim, t->dim, t->width);
        copy_row(t->dout + i * t->width, g->dout + at, t->dim, t->width);
        t->dots[i] = dot_row(g->dout + at, g->segment.out + at, t->dim);
    }
    memset(t->dq, 0, (size_t)(t->queries * t->width) * sizeof(float));
}

/// Fills `sums`.
static void load_sums(const tiles *t, int64_t offset) {
    float *largest = t->sums, *totals = t->dq; // dq is not in use yet: width >= 1
    for (int64_t i = 0; i < t->queries; i++) {
        largest[i] = -INFINITY;
        totals[i] = 0;
    }
    for (int64_t first = 0; first < t->segment->key_count; first += KEYS) {
        const int64_t count = idf_min(KEYS, t->segment->key_count - first);
        load_keys(t, t->k, t->k_columns, t->segment->k_blocks, offset, first, count);
        for (int64_t query = first_seeing(t, first); query < t->queries; query += QUERIES) {
            const int64_t rows = idf_min(QUERIES, t->queries - query);
            score(t, t->weights, t->q + query * t->width, t->k_columns, rows, visible(t, query + rows - 1, first, count));
            sum_tile(t, largest, totals, query, rows, first, count);
        }
    }
    for (int64_t i = 0; i < t->queries; i++) t->sums[i] = largest[i] + logf(totals[i]);
    memset(totals, 0, (size_t)t->queries * sizeof(float));
}

static void differentiate(const tiles *t, const idf_attention_gradient *g, int64_t offset) {
    const int is_wanted = g->dk_blocks != NULL;
    for (int64_t first = 0; first < t->segment->key_count; first += KEYS) {
        const int64_t count = idf_min(KEYS, t->segment->key_count - first);
        load_keys(t, t->k, t->k_columns, t->segment->k_blocks, offset, first, count);
        load_keys(t, t->v, t->v_columns, t->segment->v_blocks, offset, first, count);
        memset(t->dk, 0, (size_t)(count * t->width) * sizeof(float));
        memset(t->dv, 0, (size_t)(count * t->width) * sizeof(float));
        for (int64_t query = first_seeing(t, first); query < t->queries; query += QUERIES) {
            const int64_t rows = idf_min(QUERIES, t->queries - query), keys = visible(t, query + rows - 1, first, count);
            const float *q = t->q + query * t->width, *dout = t->dout + query * t->width;
            if (keys == 0) continue;
            score(t, t->weights, q, t->k_columns, rows, keys);
            score(t, t->slopes, dout, t->v_columns, rows, keys);
            slope_tile(t, query, rows, first, count);
            add_rows(t, t->dq + query * t->width, t->slopes, SCORE_STRIDE, 1, t->k, rows, keys);
            if (!is_wanted) continue;
            add_rows(t, t->dv, t->weights, 1, SCORE_STRIDE, dout, keys, rows);
            add_rows(t, t->dk, t->slopes, 1, SCORE_STRIDE, q, keys, rows);
        }
        if (!is_wanted) continue;
        add_to_blocks(t, g->dk_blocks, t->dk, offset, first, count);
        add_to_blocks(t, g->dv_blocks, t->dv, offset, first, count);
    }
}

void IDF_NAME(idf_attention_backward)(const idf_attention_shape *shape, const idf_attention_gradient_part *part, float *scratch) {
    const int64_t group = shape->heads / shape->kv_heads, dim = shape->head_dim, width = padded(dim);
    for (int64_t i = 0; i < part->count; i++) {
        const idf_attention_gradient *g = &part->segments[i];
        tiles t = {.shape = shape, .segment = &g->segment, .queries = g->segment.query_count, .dim = dim, .width = width};
        if (t.queries == 0) continue;
        // Whole vectors first: those stay aligned.
        t.q = scratch;
        t.dout = t.q + t.queries * width;
        t.dq = t.dout + t.queries * width;
        t.k = t.dq + t.queries * width;
        t.v = t.k + KEYS * width;
        t.dk = t.v + KEYS * width;
        t.dv = t.dk + KEYS * width;
        t.weights = t.dv + KEYS * width;
        t.slopes = t.weights + QUERIES * SCORE_STRIDE;
        t.k_columns = t.slopes + QUERIES * SCORE_STRIDE;
        t.v_columns = t.k_columns + KEYS * dim;
        t.sums = t.v_columns + KEYS * dim;
        t.dots = t.sums + t.queries;
        for (int64_t head = part->kv_head * group; head < (part->kv_head + 1) * group; head++) {
            t.head = head;
            load_queries(&t, g, head);
            load_sums(&t, part->kv_head * dim);
            differentiate(&t, g, part->kv_head * dim);
            if (g->dq == NULL) continue;
            for (int64_t row = 0; row < t.queries; row++) {
                float *out = g->dq + row * shape->out_stride + head * dim;
                memcpy(out, t.dq + row * width, (size_t)dim * sizeof(float));
            }
        }
    }
}
