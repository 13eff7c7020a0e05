// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

enum { SEGMENTS = 3, BLOCKS = 256 };

typedef struct call {
    idf_attention_segment segments[SEGMENTS];
    int64_t count, heads, kv_heads, head_dim, q_stride, out_stride, kv_stride, out_floats;
    float scale;
    const float *keys[SEGMENTS][BLOCKS], *values[SEGMENTS][BLOCKS];
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
                  call->out_stride, call->kv_stride, call->scale);
}

/// Pages of keys or values: the last row of every page ends at a guard page.
static void make_blocks(check *c, const call *call, const idf_attention_segment *segment, const float **blocks) {
    const int64_t row = call->kv_heads * call->head_dim;
    for (int64_t first = 0; first < segment->key_count; first += segment->block_tokens) {
        const int64_t rest = segment->key_count - first, rows = rest < segment->block_tokens ? rest : segment->block_tokens;
        *blocks++ = check_random_floats(c, (rows - 1) * call->kv_stride + row);
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

static call make_call(check *c, int64_t heads, int64_t kv_heads, int64_t head_dim) {
    call call = {.heads = heads, .kv_heads = kv_heads, .head_dim = head_dim, .scale = 2.0f / sqrtf((float)head_dim)};
    call.q_stride = heads * head_dim + check_range(c, 0, 3);
    call.out_stride = heads * head_dim + check_range(c, 0, 3);
    call.kv_stride = kv_heads * head_dim + check_range(c, 0, 3);
    return call;
}

static void compare(check *c, call *call, const char *what) {
    const size_t bytes = (size_t)call->out_floats * sizeof(float);
    float *expected = check_memory(c, bytes), *actual = check_memory(c, bytes);
    check_against_reference(c, run, call, expected, actual, bytes, what);
    check_close(c, actual, expected, call->out_floats, 3e-6, 1e-5, what);
    check_release(c);
}

static void compare_one(check *c, int64_t heads, int64_t kv_heads, int64_t dim, int64_t queries, int64_t keys, int64_t block,
                        int64_t past) {
    char what[160];
    snprintf(what, sizeof what, "heads %lld/%lld dim %lld queries %lld keys %lld block %lld past %lld", (long long)heads,
             (long long)kv_heads, (long long)dim, (long long)queries, (long long)keys, (long long)block, (long long)past);
    call call = make_call(c, heads, kv_heads, dim);
    add_segment(c, &call, queries, keys, block, past);
    compare(c, &call, what);
}

static int64_t blocks_for(check *c, int64_t keys) {
    const int64_t least = keys / 20 + 1;
    return check_range(c, least, keys + 2);
}

static void full(check *c) {
    static const int64_t dims[] = {8, 10, 13, 16, 17, 32, 33, 64, 80, 96, 128};
    for (int i = 0; i < 60 && !c->failed; i++) {
        const int64_t dim = dims[check_range(c, 0, 10)], queries = check_size(c, 129), keys = check_size(c, 257);
        compare_one(c, check_range(c, 1, 3), 1, dim, queries, keys, blocks_for(c, keys), -1);
    }
    compare_one(c, 2, 2, 80, 257, 257, 257, -1);
}

static void causal(check *c) {
    for (int i = 0; i < 60 && !c->failed; i++) {
        const int64_t queries = check_size(c, 300), past = check_range(c, 0, 2) * check_range(c, 0, 150);
        const int64_t keys = past + queries - (check_range(c, 0, 3) == 0 && queries > 1);
        const int64_t kv_heads = check_range(c, 1, 2);
        compare_one(c, kv_heads * check_range(c, 1, 2), kv_heads, check_size(c, 40), queries, keys, blocks_for(c, keys), past);
    }
}

static void decode(check *c) {
    for (int i = 0; i < 60 && !c->failed; i++) {
        const int64_t queries = check_range(c, 1, 7), keys = check_size(c, 2500), kv_heads = check_range(c, 1, 5);
        const int64_t past = check_range(c, 0, 1) ? -1 : keys - queries < 0 ? 0 : keys - queries;
        compare_one(c, kv_heads * check_range(c, 1, 3), kv_heads, check_size(c, 129), queries, keys, blocks_for(c, keys), past);
    }
    compare_one(c, 70, 70, 16, 1, 300, 64, -1);
}

static void segments(check *c) {
    for (int i = 0; i < 20 && !c->failed; i++) {
        call call = make_call(c, 3, 3, check_size(c, 65));
        add_segment(c, &call, check_range(c, 1, 3), check_range(c, 1, 300), 100, -1);
        add_segment(c, &call, check_range(c, 0, 40), check_range(c, 0, 1) * 50, 7, -1);
        add_segment(c, &call, check_range(c, 1, 140), 200, 16, 60);
        compare(c, &call, "several segments");
    }
}

static void empty(check *c) {
    call call = make_call(c, 2, 2, 10);
    add_segment(c, &call, 1, 0, 1, -1);
    add_segment(c, &call, 20, 0, 0, -1);
    add_segment(c, &call, 0, 5, 5, -1);
    compare(c, &call, "no keys or no queries");
}

static void large_scores(check *c) {
    // Scores of hundreds: only differences to the largest may be exponentiated.
    call call = make_call(c, 2, 2, 16);
    call.scale = 300;
    add_segment(c, &call, 40, 300, 300, -1);
    add_segment(c, &call, 1, 300, 300, -1);
    const size_t bytes = (size_t)call.out_floats * sizeof(float);
    float *expected = check_memory(c, bytes), *actual = check_memory(c, bytes);
    check_against_reference(c, run, &call, expected, actual, bytes, "large scores");
    // A score of 1000 carries an error of 1e-4, and so does its weight.
    check_close(c, actual, expected, call.out_floats, 1e-3, 0, "large scores");
}

const check_case attention_cases[] = {
    {"attention/full", full},         {"attention/causal", causal}, {"attention/decode", decode},
    {"attention/segments", segments}, {"attention/empty", empty},   {"attention/large scores", large_scores}, {0},
};
