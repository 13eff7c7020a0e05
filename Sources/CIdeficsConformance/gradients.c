// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

typedef struct call {
    const float *dy, *x, *weight, *third;
    const int32_t *ids;
    int64_t rows, n, k, lddy, ldx, floats;
    int option, option2, bf16;
    idf_dtype dtype; ///< of x
    float scale;
    idf_linear_gradient products[3];
    int64_t count;
} call;

static void compare(check *c, void (*body)(void *, void *), call *call, double absolute, double relative, const char *what) {
    float *expected = check_floats(c, call->floats), *actual = check_floats(c, call->floats);
    char name[128];
    snprintf(name, sizeof name, "%s rows %lld n %lld k %lld", what, (long long)call->rows, (long long)call->n, (long long)call->k);
    check_against_reference(c, body, call, expected, actual, (size_t)call->floats * sizeof(float), name);
    check_close(c, actual, expected, call->floats, absolute, relative, name);
    check_release(c);
}

// MARK: - Linear

static void run_input(void *context, void *out) {
    const call *c = context;
    idf_linear_backward_input(out, c->products, c->count, c->rows, c->k, c->bf16);
}

static void compare_input(check *c, idf_dtype dtype, int bf16, int64_t count, int64_t m, int64_t n, int64_t k) {
    call call = {.bf16 = bf16, .rows = m, .n = n, .k = k, .count = count, .floats = m * k};
    int64_t steps = 0;
    for (int64_t i = 0; i < count; i++) {
        idf_linear_gradient *p = &call.products[i];
        p->n = i == 0 ? n : check_range(c, 0, n);
        p->lddy = p->n + check_range(c, 0, 2);
        p->dtype = i == 1 ? IDF_F32 : dtype;
        p->dy = check_random_floats(c, p->n == 0 ? 0 : (m - 1) * p->lddy + p->n);
        p->weight = p->n == 0                ? check_random_floats(c, 0)
                    : p->dtype >= IDF_INT8 ? check_random_quantized(c, p->dtype, p->n, k, &p->scales)
                                           : check_random_weights(c, p->dtype, p->n * k);
        steps += p->n;
    }
    compare(c, run_input, &call, 2e-6 * sqrt((double)steps + 1), 1e-6, "linear backward input");
}

static void input_of(check *c, idf_dtype dtype, int bf16) {
    for (int i = 0; i < 40 && !c->failed; i++) {
        const int64_t m = check_size(c, 65), n = check_size(c, 513), k = check_size(c, 513);
        if (m * n * k <= 1000000) compare_input(c, dtype, bf16, check_range(c, 1, 3), m, n, k);
    }
    for (int64_t m = 1; m <= 30 && !c->failed; m++) compare_input(c, dtype, bf16, 1, m, 37, 75);
    // Chunks of rows, pieces of steps, many blocks.
    compare_input(c, dtype, bf16, 1, 600, 20, 40);
    compare_input(c, dtype, bf16, 2, 10, 1030, 70);
    compare_input(c, dtype, bf16, 1, 5, 33, 1030);
}

static void input_f32(check *c) { input_of(c, IDF_F32, 0); }
static void input_bf16(check *c) { input_of(c, IDF_BF16, 0); }
static void input_f16(check *c) { input_of(c, IDF_F16, 0); }
static void input_int8(check *c) { input_of(c, IDF_INT8, 0); }
static void input_int4(check *c) { input_of(c, IDF_INT4, 0); }
static void input_nf4(check *c) { input_of(c, IDF_NF4, 0); }

static void run_weight(void *context, void *out) {
    const call *c = context;
    if (c->option) memcpy(out, c->third, (size_t)c->floats * sizeof(float));
    idf_linear_backward_weight(out, c->dy, c->lddy, c->x, c->dtype, c->ldx, c->rows, c->n, c->k, c->option, c->bf16);
}

static void compare_weight(check *c, idf_dtype dtype, int bf16, int64_t m, int64_t n, int64_t k) {
    call call = {.dtype = dtype, .bf16 = bf16, .rows = m, .n = n, .k = k, .floats = n * k, .option = (int)check_range(c, 0, 1)};
    call.lddy = n + check_range(c, 0, 2);
    call.ldx = k + check_range(c, 0, 2);
    call.dy = check_random_floats(c, m == 0 ? 0 : (m - 1) * call.lddy + n);
    call.x = check_random_weights(c, dtype, m == 0 ? 0 : (m - 1) * call.ldx + k);
    call.third = check_random_floats(c, call.floats);
    compare(c, run_weight, &call, 2e-6 * sqrt((double)m + 1), 1e-6, "linear backward weight");
}

static void weight_of(check *c, idf_dtype dtype, int bf16) {
    for (int i = 0; i < 60 && !c->failed; i++) {
        const int64_t m = check_size(c, 1030), n = check_size(c, 257), k = check_size(c, 257);
        if (m * n * k <= 1000000) compare_weight(c, dtype, bf16, m, n, k);
    }
    compare_weight(c, dtype, bf16, 0, 5, 7);
    compare_weight(c, dtype, bf16, 20, 1030, 33);
    compare_weight(c, dtype, bf16, 1030, 16, 300);
}

static void weight(check *c) { weight_of(c, IDF_F32, 0); }

static void rounded(check *c) {
    input_of(c, IDF_F32, 1);
    input_of(c, IDF_BF16, 1);
    input_of(c, IDF_INT8, 1);
    input_of(c, IDF_NF4, 1);
    weight_of(c, IDF_F32, 1);
    weight_of(c, IDF_BF16, 1);
}

// MARK: - Sums, norms, elements

static void run_sums(void *context, void *out) {
    const call *c = context;
    idf_column_sums(out, c->dy, c->option ? c->x : NULL, c->rows, c->n);
}

static void run_dot(void *context, void *out) {
    const call *c = context;
    *(float *)out = (float)idf_dot(c->dy, c->x, c->rows * c->n);
}

static void run_rms(void *context, void *out) {
    const call *c = context;
    float *dx = out, *dweight = dx + c->rows * c->n;
    memset(out, 0, (size_t)c->floats * sizeof(float));
    idf_rms_norm_backward(c->option ? dx : NULL, c->option2 ? dweight : NULL, c->dy, c->x, c->weight, 1e-6f, c->rows, c->n);
}

static void run_layer(void *context, void *out) {
    const call *c = context;
    float *dx = out, *dweight = dx + c->rows * c->n;
    memset(out, 0, (size_t)c->floats * sizeof(float));
    idf_layer_norm_backward(c->option ? dx : NULL, c->option2 ? dweight : NULL, c->option2 ? dweight + c->n : NULL, c->dy, c->x,
                            c->weight, 1e-5f, c->rows, c->n);
}

static void norms(check *c) {
    for (int i = 0; i < 60 && !c->failed; i++) {
        call call = {.rows = check_size(c, 600), .n = check_size(c, 2500), .option = i % 3 != 0};
        if (call.rows * call.n > 200000) continue;
        call.option2 = !call.option || check_range(c, 0, 1);
        call.dy = check_random_floats(c, call.rows * call.n);
        call.x = check_random_floats(c, call.rows * call.n);
        call.weight = check_random_floats(c, call.n);
        call.floats = (call.rows + 2) * call.n;
        // Two or three values may be almost the same: the norm blows their rounding up.
        const double absolute = (call.n < 8 ? 3e-2 : 1e-5) * sqrt((double)call.rows);
        if (i % 2) {
            compare(c, run_rms, &call, absolute, 1e-4, "rms_norm backward");
        } else {
            compare(c, run_layer, &call, absolute, 1e-4, "layer_norm backward");
        }
    }
}

static void sums(check *c) {
    for (int i = 0; i < 40 && !c->failed; i++) {
        call call = {.rows = check_size(c, 1030), .n = check_size(c, 1030), .option = i % 2};
        call.dy = check_random_floats(c, call.rows * call.n);
        call.x = check_random_floats(c, call.rows * call.n);
        call.floats = i % 4 == 3 ? 1 : call.n;
        compare(c, i % 4 == 3 ? run_dot : run_sums, &call, 1e-6 * (double)(call.rows + 30), 1e-5, "sums");
    }
}

static void run_activate(void *context, void *out) {
    const call *c = context;
    idf_activate_backward(out, c->dy, c->x, (idf_activation)c->option, c->n);
}

static void run_swiglu(void *context, void *out) {
    const call *c = context;
    idf_swiglu_backward(out, (float *)out + c->n, c->dy, c->x, c->third, c->n);
}

static void activations(check *c) {
    for (int i = 0; i < 60 && !c->failed; i++) {
        call call = {.rows = 1, .n = i == 0 ? 40000 : check_size(c, 2500), .option = i % 5};
        float *x = check_random_floats(c, call.n);
        for (int64_t j = 0; j < call.n; j++) x[j] *= j % 3 == 0 ? 0.02f : j % 3 == 1 ? 3 : 20;
        call.x = x;
        call.dy = check_random_floats(c, call.n);
        call.third = check_random_floats(c, call.n);
        call.floats = call.n;
        if (i % 6 == 5) {
            call.floats = 2 * call.n;
            compare(c, run_swiglu, &call, 2e-6, 5e-6, "swiglu backward");
        } else {
            compare(c, run_activate, &call, 2e-6, 5e-6, "activate backward");
        }
    }
}

// MARK: - Attention

enum { SEGMENTS = 4, BLOCKS = 64 };

typedef struct attention_call {
    idf_attention_gradient segments[SEGMENTS];
    int64_t count, heads, kv_heads, dim, q_stride, out_stride, kv_stride, q_floats[SEGMENTS], block_floats, floats;
    float scale;
    int64_t blocks;
    const void *keys[BLOCKS], *values[BLOCKS];
    float *dk[BLOCKS], *dv[BLOCKS];
} attention_call;

static void run_attention(void *context, void *out) {
    attention_call *c = context;
    float *next = out;
    memset(out, 0, (size_t)c->floats * sizeof(float));
    for (int64_t i = 0; i < c->count; i++) {
        c->segments[i].dq = next;
        next += c->q_floats[i];
    }
    for (int64_t i = 0; i < c->blocks; i++) {
        c->dk[i] = next;
        c->dv[i] = next + c->block_floats;
        next += 2 * c->block_floats;
    }
    idf_attention_backward(c->segments, c->count, c->heads, c->kv_heads, c->dim, c->q_stride, c->out_stride, c->kv_stride, c->scale);
}

/// Segments over blocks of equal length: the first two share theirs, the third has its own.
static void compare_attention(check *c, int64_t kv_heads, int64_t group, int64_t dim, int64_t block, int64_t queries, int causal,
                              double drop) {
    attention_call call = {.heads = kv_heads * group, .kv_heads = kv_heads, .dim = dim, .scale = 2 / sqrtf((float)dim)};
    call.q_stride = call.heads * dim + check_range(c, 0, 3);
    call.out_stride = call.heads * dim + check_range(c, 0, 3);
    call.kv_stride = kv_heads * dim + check_range(c, 0, 3);
    call.block_floats = (block - 1) * call.kv_stride + kv_heads * dim;
    const int64_t own = 2;
    call.blocks = 2 * own;
    for (int64_t i = 0; i < call.blocks; i++) {
        call.keys[i] = check_random_floats(c, call.block_floats);
        call.values[i] = check_random_floats(c, call.block_floats);
    }
    call.count = 3;
    idf_isa_select(IDF_ISA_REFERENCE);
    for (int64_t i = 0; i < call.count; i++) {
        const int64_t n = i == 0 ? queries : check_range(c, 0, queries), first = i == 2 ? own : 0;
        const int64_t keys = check_range(c, i == 1 ? 0 : 1, own * block), span = call.heads * dim;
        float *out = check_floats(c, n == 0 ? 0 : (n - 1) * call.out_stride + span);
        idf_attention_segment s = {.q = check_random_floats(c, n == 0 ? 0 : (n - 1) * call.q_stride + span),
                                   .out = out,
                                   .query_count = n,
                                   .k_blocks = call.keys + first,
                                   .v_blocks = call.values + first,
                                   .block_tokens = block,
                                   .key_count = keys,
                                   .causal_past = causal ? check_range(c, 0, 20) : -1};
        if (drop > 0) s.dropout = idf_attention_dropout_of(drop, 7, 3, 1000 * i);
        idf_attention(&s, 1, call.heads, kv_heads, dim, call.q_stride, call.out_stride, IDF_F32,
                      call.kv_stride * (int64_t)sizeof(float), call.scale);
        call.segments[i] = (idf_attention_gradient){.segment = s, .cluster = i == 2};
        call.segments[i].dout = check_random_floats(c, n == 0 ? 0 : (n - 1) * call.out_stride + span);
        call.segments[i].dk_blocks = call.dk + first;
        call.segments[i].dv_blocks = call.dv + first;
        call.q_floats[i] = n == 0 ? 0 : (n - 1) * call.out_stride + span;
        call.floats += call.q_floats[i];
    }
    call.floats += 2 * call.blocks * call.block_floats;
    float *expected = check_floats(c, call.floats), *actual = check_floats(c, call.floats);
    char what[128];
    snprintf(what, sizeof what, "attention backward heads %lld/%lld dim %lld block %lld queries %lld causal %d drop %g", (long long)call.heads,
             (long long)kv_heads, (long long)dim, (long long)block, (long long)queries, causal, drop);
    check_against_reference(c, run_attention, &call, expected, actual, (size_t)call.floats * sizeof(float), what);
    check_close(c, actual, expected, call.floats, 2e-6 * sqrt((double)queries + 8), 2e-5, what);
    check_release(c);
}

static void attention(check *c) {
    static const int64_t dims[] = {1, 8, 10, 13, 16, 17, 32, 40, 64, 80, 128};
    for (int i = 0; i < 40 && !c->failed; i++) {
        compare_attention(c, check_range(c, 1, 2), check_range(c, 1, 3), dims[check_range(c, 0, 10)], check_size(c, 100),
                          check_size(c, 65), i % 2, i % 4 == 3 ? 0.3 : 0);
    }
    compare_attention(c, 1, 1, 16, 150, 300, 1, 0);
    compare_attention(c, 1, 1, 16, 150, 257, 0, 0);
    compare_attention(c, 1, 2, 16, 150, 300, 1, 0.1);
}

// MARK: - Embedding, dropout

static void run_scatter(void *context, void *out) {
    const call *c = context;
    memset(out, 0, (size_t)c->floats * sizeof(float));
    idf_scatter_add(out, c->dy, c->ids, c->rows, c->n);
}

static void scatter(check *c) {
    for (int i = 0; i < 20 && !c->failed; i++) {
        call call = {.rows = check_size(c, 129), .n = check_size(c, 1030)};
        int32_t *ids = check_memory(c, (size_t)call.rows * sizeof(int32_t));
        for (int64_t j = 0; j < call.rows; j++) ids[j] = (int32_t)check_range(c, 0, 6);
        call.ids = ids;
        call.dy = check_random_floats(c, call.rows * call.n);
        call.floats = 7 * call.n;
        compare(c, run_scatter, &call, 2e-5, 1e-6, "scatter_add");
    }
}

static void run_dropout(void *context, void *out) {
    const call *c = context;
    idf_dropout(out, c->x, 0.3, 5, 1000, c->n);
}

static void dropout(check *c) {
    enum { N = 100000 };
    call call = {.rows = 1, .n = N, .floats = N};
    float *x = check_floats(c, N), *y = check_floats(c, N), *rest = check_floats(c, N - 777);
    for (int64_t i = 0; i < N; i++) x[i] = 1;
    call.x = x;
    run_dropout(&call, y);
    int64_t dropped = 0;
    for (int64_t i = 0; i < N; i++) {
        dropped += y[i] == 0;
        if (y[i] != 0 && fabsf(y[i] - 1 / 0.7f) > 1e-6f) check_fail(c, "dropout: kept value is %g", y[i]);
    }
    // Five standard deviations of 145.
    if (llabs(dropped - 30000) > 725) check_fail(c, "dropout: %lld of 100000 dropped", (long long)dropped);
    idf_dropout(rest, x, 0.3, 5, 1777, N - 777);
    check_same(c, rest, y + 777, (N - 777) * sizeof(float), "dropout from an offset");
    compare(c, run_dropout, &call, 0, 0, "dropout");
}

// MARK: - Loss and optimizer

static void run_loss(void *context, void *out) {
    const call *c = context;
    float *logits = out, *losses = logits + c->rows * c->n;
    memcpy(logits, c->x, (size_t)(c->rows * c->n) * sizeof(float));
    idf_cross_entropy(logits, losses, losses + c->rows, c->ids, 0.5f, c->option2 ? c->third : NULL, c->option, c->rows, c->n);
}

static void loss(check *c) {
    for (int i = 0; i < 40 && !c->failed; i++) {
        call call = {.rows = check_size(c, 33), .n = check_size(c, 2500), .option = i % 4 != 0, .option2 = i % 2};
        float *x = check_random_floats(c, call.rows * call.n);
        for (int64_t j = 0; j < call.rows * call.n; j++) x[j] *= i % 3 == 0 ? 200 : 6;
        int32_t *ids = check_memory(c, (size_t)call.rows * sizeof(int32_t));
        for (int64_t j = 0; j < call.rows; j++) ids[j] = j % 4 == 2 ? -100 : (int32_t)check_range(c, 0, call.n - 1);
        call.x = x;
        call.ids = ids;
        call.third = check_random_floats(c, call.rows);
        call.floats = call.rows * (call.n + 2);
        compare(c, run_loss, &call, 4e-6, 1e-5, "cross entropy");
    }
}

static void run_adamw(void *context, void *out) {
    const call *c = context;
    float *p = out, *m = p + c->n, *v = m + c->n;
    const idf_adamw_step step = {1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.7f, 3};
    memcpy(p, c->x, (size_t)c->n * sizeof(float));
    memcpy(m, c->dy, (size_t)c->n * sizeof(float));
    for (int64_t i = 0; i < c->n; i++) v[i] = c->weight[i] * c->weight[i];
    idf_adamw(p, m, v, c->third, &step, c->n);
}

static void adamw(check *c) {
    for (int i = 0; i < 10 && !c->failed; i++) {
        call call = {.rows = 1, .n = i == 0 ? 50000 : check_size(c, 2500)};
        call.x = check_random_floats(c, call.n);
        call.dy = check_random_floats(c, call.n);
        call.weight = check_random_floats(c, call.n);
        call.third = check_random_floats(c, call.n);
        float *out = check_floats(c, 3 * call.n);
        run_adamw(&call, out);
        for (int64_t j = 0; j < call.n; j++) {
            const double g = 0.7 * call.third[j], m = 0.9 * call.dy[j] + 0.1 * g;
            const double v = 0.999 * call.weight[j] * call.weight[j] + 0.001 * g * g;
            const double p = call.x[j] * (1 - 1e-2 * 0.1) -
                             1e-2 / (1 - pow(0.9, 3)) * m / (sqrt(v) / sqrt(1 - pow(0.999, 3)) + 1e-8);
            if (fabs(out[j] - p) > 1e-6 + 1e-5 * fabs(p - call.x[j])) check_fail(c, "adamw: %.9g instead of %.9g", out[j], p);
        }
        call.floats = 3 * call.n;
        compare(c, run_adamw, &call, 1e-7, 1e-6, "adamw");
    }
}

const check_case gradients_cases[] = {
    {"gradients/input f32", input_f32},
    {"gradients/input bf16", input_bf16},
    {"gradients/input f16", input_f16},
    {"gradients/input int8", input_int8},
    {"gradients/input int4", input_int4},
    {"gradients/input nf4", input_nf4},
    {"gradients/weight", weight},
    {"gradients/norms", norms},
    {"gradients/sums", sums},
    {"gradients/activations", activations},
    {"gradients/attention", attention},
    {"gradients/scatter", scatter},
    {"gradients/dropout", dropout},
    {"gradients/loss", loss},
    {"gradients/adamw", adamw},
    {"bf16/gradients", rounded},
    {0},
};
