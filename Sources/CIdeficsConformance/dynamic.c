// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

typedef struct call {
    const float *x, *gradient;
    idf_dynamic_map map;
    int64_t n;
} call;

static int64_t blocks(int64_t n) { return (n + IDF_DYNAMIC_BLOCK - 1) / IDF_DYNAMIC_BLOCK; }

/// Random floats over ten decades, some of them 0.
static float *wide_floats(check *c, idf_dynamic_map map, int64_t n) {
    float *x = check_random_floats(c, n);
    for (int64_t i = 0; i < n; i++) {
        x[i] = check_range(c, 0, 20) == 0 ? 0 : x[i] * powf(10, (float)-check_range(c, 0, 9));
        if (map == IDF_DYNAMIC_UNSIGNED) x[i] = fabsf(x[i]);
    }
    return x;
}

// MARK: - Quantizing

static void run_quantize(void *context, void *out) {
    const call *c = context;
    float *scales = out;
    uint8_t *codes = (uint8_t *)(scales + blocks(c->n));
    idf_dynamic_quantize(codes, scales, c->x, c->map, c->n);
}

/// Every code is the nearest of all 256 values, found by trying them.
static void check_nearest(check *c, const call *call, const float *scales, const uint8_t *codes) {
    const float *table = idf_dynamic_table(call->map);
    for (int64_t i = 0; i < call->n; i++) {
        const double scale = scales[i / IDF_DYNAMIC_BLOCK], x = call->x[i];
        double best = INFINITY;
        for (int code = 0; code < 256; code++) best = fmin(best, fabs(table[code] * scale - x));
        // Where only 0 may become 0 the smallest value takes its place.
        if (call->map == IDF_DYNAMIC_UNSIGNED && x > 0) best = fmax(best, fabs(table[1] * scale - x) * (codes[i] == 1));
        if (fabs(table[codes[i]] * scale - x) > best + 1e-7 * scale || (call->map == IDF_DYNAMIC_UNSIGNED && x > 0 && codes[i] == 0)) {
            check_fail(c, "dynamic: %.9g of %.9g becomes code %d", x, scale, codes[i]);
        }
    }
}

static void quantize_as(check *c, idf_dynamic_map map) {
    for (int i = 0; i < 30 && !c->failed; i++) {
        call call = {.map = map, .n = i == 0 ? 40000 : i == 1 ? 0 : check_size(c, 2500)};
        float *x = wide_floats(c, map, call.n);
        if (i % 5 == 2) memset(x, 0, (size_t)call.n * sizeof(float));
        if (i % 5 == 3) {
            for (int64_t j = 0; j < call.n; j++) x[j] *= 1e-36f;
        }
        call.x = x;
        const size_t bytes = (size_t)(blocks(call.n) * (int64_t)sizeof(float) + call.n);
        char *expected = check_memory(c, (bytes + 3) / 4 * 4), *actual = check_memory(c, (bytes + 3) / 4 * 4);
        check_against_reference(c, run_quantize, &call, expected, actual, bytes, "dynamic quantize");
        check_same(c, actual, expected, bytes, "dynamic quantize");
        const float *scales = (const float *)(const void *)actual;
        if (i % 5 != 3) check_nearest(c, &call, scales, (const uint8_t *)(scales + blocks(call.n)));
        // Values of the table come back as they are, if the largest does: there is no −1.
        float *again = check_floats(c, call.n);
        uint8_t *codes = check_memory(c, (size_t)call.n);
        float *second = check_floats(c, blocks(call.n));
        idf_dynamic_dequantize(again, (const uint8_t *)(scales + blocks(call.n)), scales, map, call.n);
        idf_dynamic_quantize(codes, second, again, map, call.n);
        if (i % 5 < 2 && map == IDF_DYNAMIC_UNSIGNED) check_same(c, codes, scales + blocks(call.n), (size_t)call.n, "dynamic round trip");
        check_release(c);
    }
}

static void quantize_signed(check *c) { quantize_as(c, IDF_DYNAMIC_SIGNED); }
static void quantize_unsigned(check *c) { quantize_as(c, IDF_DYNAMIC_UNSIGNED); }

// MARK: - AdamW

static const idf_adamw_step STEP = {1e-2f, 0.9f, 0.999f, 1e-8f, 0.1f, 0.7f, 3};

typedef struct state {
    float *p, *first_scales, *second_scales;
    uint8_t *first, *second;
} state;

static state state_at(void *out, int64_t n) {
    state s = {.p = out};
    s.first_scales = s.p + n;
    s.second_scales = s.first_scales + blocks(n);
    s.first = (uint8_t *)(s.second_scales + blocks(n));
    s.second = s.first + n;
    return s;
}

static void begin(const state *s, const call *c) {
    memcpy(s->p, c->x, (size_t)c->n * sizeof(float));
    for (int64_t i = 0; i < c->n; i++) {
        s->first[i] = (uint8_t)(i * 37 % 256);
        s->second[i] = (uint8_t)(i * 91 % 256);
    }
    for (int64_t i = 0; i < blocks(c->n); i++) {
        s->first_scales[i] = 0.5f + (float)(i % 3);
        s->second_scales[i] = 0.25f + (float)(i % 2);
    }
}

static void run_adamw(void *context, void *out) {
    const call *c = context;
    const state s = state_at(out, c->n);
    begin(&s, c);
    idf_adamw_8bit(s.p, s.first, s.first_scales, s.second, s.second_scales, c->gradient, &STEP, c->n);
}

/// The fused step gives the bits of its parts.
static void adamw(check *c) {
    for (int i = 0; i < 12 && !c->failed; i++) {
        call call = {.n = i == 0 ? 40000 : i == 1 ? 0 : check_size(c, 2500)};
        call.x = check_random_floats(c, call.n);
        call.gradient = check_random_floats(c, call.n);
        const size_t bytes = (size_t)(4 * (call.n + 2 * blocks(call.n)) + 2 * call.n);
        char *expected = check_memory(c, (bytes + 3) / 4 * 4), *actual = check_memory(c, (bytes + 3) / 4 * 4);
        check_against_reference(c, run_adamw, &call, expected, actual, bytes, "adamw 8 bit");
        const state s = state_at(expected, call.n), found = state_at(actual, call.n);
        check_close(c, found.p, s.p, call.n, 1e-7, 1e-6, "adamw 8 bit");
        float *m = check_floats(c, call.n), *v = check_floats(c, call.n);
        begin(&s, &call);
        idf_dynamic_dequantize(m, s.first, s.first_scales, IDF_DYNAMIC_SIGNED, call.n);
        idf_dynamic_dequantize(v, s.second, s.second_scales, IDF_DYNAMIC_UNSIGNED, call.n);
        idf_adamw(s.p, m, v, call.gradient, &STEP, call.n);
        idf_dynamic_quantize(s.first, s.first_scales, m, IDF_DYNAMIC_SIGNED, call.n);
        idf_dynamic_quantize(s.second, s.second_scales, v, IDF_DYNAMIC_UNSIGNED, call.n);
        check_same(c, actual, expected, bytes, "adamw 8 bit against its parts");
        check_release(c);
    }
}

const check_case dynamic_cases[] = {
    {"dynamic/signed", quantize_signed},
    {"dynamic/unsigned", quantize_unsigned},
    {"dynamic/adamw", adamw},
    {0},
};
