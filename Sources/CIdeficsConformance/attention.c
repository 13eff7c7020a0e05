// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

enum { SEGMENTS = 3, BLOCKS = 256 };

typedef struct call {
    idf_attention_segment segments[SEGMENTS];
    int64_t count, heads, kv_heads, head_dim, q_stride, out_stride, kv_stride, out_floats;
    idf_dtype kv_type;
    float scale;
    const void *keys[SEGMENTS][BLOCKS], *values[SEGMENTS][BLOCKS];
} call;

static void run(void *context, void *out) {
    call *call = context;
    float *y = out;
    memset(y, 0, (size_t)call->out_floats * sizeof(float));
    for (int64_t i = 0; i < call->count; i++) {
        call->segments[i].out = y;
        if (call->segments[i].query_count > 0) {
            y += (call->segments[i].query_count - 1) * call->out_stride + call->heads * call->head_dim;
        }
    }
    idf_attention(call->segments, call->count, call->heads, call->kv_heads, call->head_dim, call->q_stride,
                  call->out_stride, call->kv_type, call->kv_stride, call->scale);
}

/// Pages of keys or values: the last row of every page ends at a guard page.
static void make_blocks(check *c, const call *call, const idf_attention_segment *segment, const void **blocks) {
    const int64_t row = call->kv_heads * call->head_dim;
    const int64_t row_bytes = idf_kv_row_bytes(call->kv_type, call->kv_heads, call->head_dim);
    for (int64_t first = 0; first < segment->key_count; first += segment->block_tokens) {
        const int64_t rest = segment->key_count - first, rows = rest < segment->block_tokens ? rest : segment->block_tokens;
        void *block = check_memory(c, (size_t)((rows - 1) * call->kv_stride + row_bytes));
        float *values = malloc((size_t)(rows * row) * sizeof(float));
        if (values == NULL) abort();
        for (int64_t i = 0; i < rows * row; i++) values[i] = (float)(int32_t)(uint32_t)check_next(c) * 0x1p-31f;
        idf_isa_select(IDF_ISA_REFERENCE);
        idf_kv_write(block, call->kv_type, values, rows, call->kv_heads, call->head_dim, call->kv_stride, row);
        free(values);
        *blocks++ = block;
    }
}

static void add_segment(check *c, call *call, int64_t queries, int64_t keys, int64_t block, int64_t past) {
    const int64_t i = call->count++;
    idf_attention_segment *segment = &call->segments[i];
    *segment = (idf_attention_segment){
        .q = check_random_floats(c, queries == 0 ? 0 : (queries - 1) * call->q_stride + call->heads * call->head_dim),
        .query_count = queries,
        .k_blocks = call->keys[i],
        .v_blocks = call->values[i],
        .block_tokens = block,
        .key_count = keys,
        .causal_past = past,
    };
    make_blocks(c, call, segment, call->keys[i]);
    make_blocks(c, call, segment, call->values[i]);
    if (queries > 0) call->out_floats += (queries - 1) * call->out_stride + call->heads * call->head_dim;
}

/// How keys and values are stored: each type in turn.
static const idf_dtype types[] = {IDF_F32, IDF_BF16, IDF_INT8};
enum { TYPES = sizeof types / sizeof types[0] };

static call make_call(check *c, int type, int64_t heads, int64_t kv_heads, int64_t head_dim) {
    call call = {.heads = heads, .kv_heads = kv_heads, .head_dim = head_dim, .scale = 2.0f / sqrtf((float)head_dim)};
    call.kv_type = types[type % TYPES];
    call.q_stride = heads * head_dim + check_range(c, 0, 3);
    call.out_stride = heads * head_dim + check_range(c, 0, 3);
    // Rows of codes may begin anywhere, rows of floats at a multiple of their size.
    const int64_t element = call.kv_type == IDF_F32 ? 4 : call.kv_type == IDF_BF16 ? 2 : 1;
    call.kv_stride = idf_kv_row_bytes(call.kv_type, kv_heads, head_dim) + element * check_range(c, 0, 3);
    return call;
}

static void compare(check *c, call *call, const char *what) {
    const size_t bytes = (size_t)call->out_floats * sizeof(float);
    float *expected = check_memory(c, bytes), *actual = check_memory(c, bytes);
    check_against_reference(c, run, call, expected, actual, bytes, what);
    check_close(c, actual, expected, call->out_floats, 3e-6, 1e-5, what);
    check_release(c);
}

static void compare_one(check *c, int type, int64_t heads, int64_t kv_heads, int64_t dim, int64_t queries, int64_t keys,
                        int64_t block, int64_t past) {
    char what[160];
    call call = make_call(c, type, heads, kv_heads, dim);
    snprintf(what, sizeof what, "type %d heads %lld/%lld dim %lld queries %lld keys %lld block %lld past %lld",
             (int)call.kv_type, (long long)heads, (long long)kv_heads, (long long)dim, (long long)queries, (long long)keys,
             (long long)block, (long long)past);
    add_segment(c, &call, queries, keys, block, past);
    compare(c, &call, what);
}

/// Weights that training drops.
static void dropped(check *c) {
    for (int i = 0; i < 40 && !c->failed; i++) {
        const int64_t queries = check_size(c, 300), kv_heads = check_range(c, 1, 2);
        call call = make_call(c, 0, kv_heads * check_range(c, 1, 2), kv_heads, check_size(c, 40));
        add_segment(c, &call, queries, queries, queries, i % 2 ? 0 : -1);
        call.segments[0].dropout = idf_attention_dropout_of(i % 3 == 0 ? 0.5 : 0.1, (uint64_t)i, 5, 17);
        compare(c, &call, "with dropout");
    }
}

static int64_t blocks_for(check *c, int64_t keys) {
    const int64_t least = keys / 20 + 1;
    return check_range(c, least, keys + 2);
}

static void full(check *c) {
    static const int64_t dims[] = {8, 10, 13, 16, 17, 32, 33, 64, 80, 96, 128};
    for (int i = 0; i < 120 && !c->failed; i++) {
        const int64_t dim = dims[check_range(c, 0, 10)], queries = check_size(c, 129), keys = check_size(c, 257);
        compare_one(c, i, check_range(c, 1, 3), 1, dim, queries, keys, blocks_for(c, keys), -1);
    }
    // The vision tower's, in every type.
    for (int i = 0; i < TYPES && !c->failed; i++) compare_one(c, i, 2, 2, 80, 257, 257, 257, -1);
}

static void causal(check *c) {
    for (int i = 0; i < 120 && !c->failed; i++) {
        const int64_t queries = check_size(c, 300), past = check_range(c, 0, 2) * check_range(c, 0, 150);
        const int64_t keys = past + queries - (check_range(c, 0, 3) == 0 && queries > 1);
        const int64_t kv_heads = check_range(c, 1, 2);
        compare_one(c, i, kv_heads * check_range(c, 1, 2), kv_heads, check_size(c, 40), queries, keys, blocks_for(c, keys), past);
    }
}

static void decode(check *c) {
    for (int i = 0; i < 120 && !c->failed; i++) {
        const int64_t queries = check_range(c, 1, 7), keys = check_size(c, 2500), kv_heads = check_range(c, 1, 5);
        const int64_t past = check_range(c, 0, 1) ? -1 : keys - queries < 0 ? 0 : keys - queries;
        compare_one(c, i, kv_heads * check_range(c, 1, 3), kv_heads, check_size(c, 129), queries, keys, blocks_for(c, keys), past);
    }
    for (int i = 0; i < TYPES && !c->failed; i++) compare_one(c, i, 70, 70, 16, 1, 300, 64, -1);
}

static void segments(check *c) {
    for (int i = 0; i < 30 && !c->failed; i++) {
        call call = make_call(c, i, 3, 3, check_size(c, 65));
        add_segment(c, &call, check_range(c, 1, 3), check_range(c, 1, 300), 100, -1);
        add_segment(c, &call, check_range(c, 0, 40), check_range(c, 0, 1) * 50, 7, -1);
        add_segment(c, &call, check_range(c, 1, 140), 200, 16, 60);
        compare(c, &call, "several segments");
    }
}

static void empty(check *c) {
    call call = make_call(c, 0, 2, 2, 10);
    add_segment(c, &call, 1, 0, 1, -1);
    add_segment(c, &call, 20, 0, 0, -1);
    add_segment(c, &call, 0, 5, 5, -1);
    compare(c, &call, "no keys or no queries");
}

/// Scores of hundreds: only differences to the largest may be exponentiated.
static void compare_large(check *c, int type) {
    call call = make_call(c, type, 2, 2, 16);
    call.scale = 300;
    add_segment(c, &call, 40, 300, 300, -1);
    add_segment(c, &call, 1, 300, 300, -1);
    const size_t bytes = (size_t)call.out_floats * sizeof(float);
    float *expected = check_memory(c, bytes), *actual = check_memory(c, bytes);
    check_against_reference(c, run, &call, expected, actual, bytes, "large scores");
    // A score of 1000 carries an error of 1e-4, and so does its weight.
    check_close(c, actual, expected, call.out_floats, 1e-3, 0, "large scores");
    check_release(c);
}

static void large_scores(check *c) {
    for (int i = 0; i < TYPES && !c->failed; i++) compare_large(c, i);
}

// MARK: - Writing rows

typedef struct rows {
    const float *x;
    idf_dtype type;
    int64_t count, kv_heads, head_dim, kv_stride, ldx;
    size_t bytes;
} rows;

static void write_rows(void *context, void *out) {
    const rows *rows = context;
    memset(out, 0x5a, rows->bytes);
    idf_kv_write(out, rows->type, rows->x, rows->count, rows->kv_heads, rows->head_dim, rows->kv_stride, rows->ldx);
}

static void compare_rows(check *c, idf_dtype type, int64_t count, int64_t kv_heads, int64_t head_dim) {
    const int64_t element = type == IDF_F32 ? 4 : type == IDF_BF16 ? 2 : 1;
    rows rows = {.type = type, .count = count, .kv_heads = kv_heads, .head_dim = head_dim};
    rows.ldx = kv_heads * head_dim + check_range(c, 0, 3);
    rows.kv_stride = idf_kv_row_bytes(type, kv_heads, head_dim) + element * check_range(c, 0, 3);
    rows.bytes = (size_t)((count - 1) * rows.kv_stride + idf_kv_row_bytes(type, kv_heads, head_dim));
    float *x = check_random_floats(c, (count - 1) * rows.ldx + kv_heads * head_dim);
    for (int64_t row = 0; row < count; row++) {
        // A few heads are what no scale fits, or halves that rounding must send to even numbers.
        float *head = x + row * rows.ldx + check_range(c, 0, kv_heads - 1) * head_dim;
        const int64_t l = check_range(c, 0, head_dim - 1);
        switch (check_range(c, 0, 9)) {
        case 0: head[l] = INFINITY; break;
        case 1: head[l] = -NAN; break;
        case 2: memset(head, 0, (size_t)head_dim * sizeof(float)); break;
        case 3:
            for (int64_t i = 0; i < head_dim; i++) head[i] = (float)check_range(c, -127, 126) + 0.5f;
            head[l] = -127;
            break;
        case 4:
            for (int64_t i = 0; i < head_dim; i++) head[i] *= 0x1p-101f;
            break;
        default: break;
        }
    }
    rows.x = x;
    void *expected = check_memory(c, rows.bytes), *actual = check_memory(c, rows.bytes);
    check_against_reference(c, write_rows, &rows, expected, actual, rows.bytes, "rows");
    check_same(c, actual, expected, rows.bytes, "rows");
    if (type == IDF_INT8) {
        for (int64_t head = 0; head < count * kv_heads && !c->failed; head++) {
            const float *values = x + head / kv_heads * rows.ldx + head % kv_heads * head_dim;
            const char *row = (const char *)actual + head / kv_heads * rows.kv_stride;
            const int8_t *codes = (const int8_t *)row + head % kv_heads * head_dim;
            float scale;
            memcpy(&scale, row + kv_heads * head_dim + head % kv_heads * 4, sizeof scale);
            for (int64_t l = 0; l < head_dim; l++) {
                if (isnan(scale) ? codes[l] != 0 : fabs((double)scale * codes[l] - values[l]) > 0.50001 * scale + 0x1p-100) {
                    check_fail(c, "code %d with scale %g for %g", codes[l], (double)scale, (double)values[l]);
                    break;
                }
            }
        }
    }
    check_release(c);
}

static void writing(check *c) {
    for (int i = 0; i < 150 && !c->failed; i++) {
        compare_rows(c, types[i % 3], check_size(c, 20), check_range(c, 1, 5), check_size(c, 129));
    }
    for (int i = 0; i < 3; i++) compare_rows(c, types[i], 40, 32, 128);
}

const check_case attention_cases[] = {
    {"attention/full", full},
    {"attention/causal", causal},
    {"attention/decode", decode},
    {"attention/segments", segments},
    {"attention/empty", empty},
    {"attention/large scores", large_scores},
    {"attention/writing", writing},
    {"attention/dropped", dropped},
    {0},
};
