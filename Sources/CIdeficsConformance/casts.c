// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

// MARK: - Casts

typedef struct call {
    const void *x;
    idf_dtype dtype;
    int64_t rows, n;
    const int32_t *ids;
} call;

static void run_widen(void *context, void *out) {
    const call *c = context;
    idf_to_f32(out, c->x, c->dtype, c->n);
}

static void run_narrow(void *context, void *out) {
    const call *c = context;
    idf_from_f32(out, c->x, c->dtype, c->n);
}

static void run_embedding(void *context, void *out) {
    const call *c = context;
    idf_embedding(out, c->x, c->dtype, c->ids, c->rows, c->n);
}

static void same_as_reference(check *c, void (*body)(void *, void *), call *call, size_t bytes, const char *what) {
    void *expected = check_memory(c, bytes), *actual = check_memory(c, bytes);
    check_against_reference(c, body, call, expected, actual, bytes, what);
    check_same(c, actual, expected, bytes, what);
    check_release(c);
}

/// All 65536 halves, bit for bit.
static void widen(check *c) {
    for (int dtype = IDF_BF16; dtype <= IDF_F16; dtype++) {
        uint16_t *x = check_memory(c, 65536 * sizeof(uint16_t));
        for (int i = 0; i < 65536; i++) x[i] = (uint16_t)i;
        call call = {.x = x, .dtype = (idf_dtype)dtype, .n = 65536};
        same_as_reference(c, run_widen, &call, 65536 * sizeof(float), "to_f32 of all halves");
    }
}

/// Every 509th float of all, and all floats near what two halves round to.
static void narrow(check *c) {
    for (int dtype = IDF_BF16; dtype <= IDF_F16; dtype++) {
        const int64_t n = (INT64_C(1) << 32) / 509;
        uint32_t *x = check_memory(c, (size_t)n * sizeof(uint32_t));
        for (int64_t i = 0; i < n; i++) x[i] = (uint32_t)(i * 509);
        call call = {.x = x, .dtype = (idf_dtype)dtype, .n = n};
        same_as_reference(c, run_narrow, &call, (size_t)n * sizeof(uint16_t), "from_f32");
        x = check_memory(c, 65536 * 3 * sizeof(uint32_t));
        for (uint32_t i = 0; i < 65536; i++) {
            for (uint32_t j = 0; j < 3; j++) x[3 * i + j] = (i << 16) + (dtype == IDF_BF16 ? 0x8000 : 0x1000) + j - 1;
        }
        call.x = x;
        call.n = 65536 * 3;
        same_as_reference(c, run_narrow, &call, 65536 * 3 * sizeof(uint16_t), "from_f32 near ties");
    }
}

static void tails(check *c) {
    for (int dtype = IDF_F32; dtype <= IDF_F16; dtype++) {
        for (int64_t n = 0; n < 70 && !c->failed; n++) {
            call call = {.dtype = (idf_dtype)dtype, .n = n};
            call.x = check_random_weights(c, call.dtype, n);
            same_as_reference(c, run_widen, &call, (size_t)n * sizeof(float), "to_f32");
            call.x = check_random_floats(c, n);
            same_as_reference(c, run_narrow, &call, (size_t)n * (dtype == IDF_F32 ? 4 : 2), "from_f32");
        }
    }
}

static void embedding(check *c) {
    for (int i = 0; i < 30 && !c->failed; i++) {
        call call = {.dtype = (idf_dtype)check_range(c, IDF_F32, IDF_F16), .rows = check_size(c, 100), .n = check_size(c, 600)};
        call.x = check_random_weights(c, call.dtype, 9 * call.n);
        int32_t *ids = check_memory(c, (size_t)call.rows * sizeof(int32_t));
        for (int64_t j = 0; j < call.rows; j++) ids[j] = (int32_t)check_range(c, 0, 8);
        call.ids = ids;
        same_as_reference(c, run_embedding, &call, (size_t)(call.rows * call.n) * sizeof(float), "embedding");
    }
}

/// Against conversions written down here.
static void known_casts(check *c) {
    static const struct { uint16_t half; float value; } halves[] = {
        {0x3c00, 1}, {0xc000, -2}, {0x7bff, 65504}, {0x0400, 0x1p-14f}, {0x0001, 0x1p-24f}, {0x03ff, 0x1.ff8p-15f},
        {0x7c00, INFINITY}, {0xfc00, -INFINITY}, {0x8000, -0.0f}, {0x3555, 0x1.554p-2f},
    };
    static const struct { float value; uint16_t half; } rounded[] = {
        {65519.99f, 0x7bff}, {65520, 0x7c00}, {0x1p-25f, 0}, {0x1.000002p-25f, 1}, {0x1.8p-24f, 2}, {1 + 0x1p-11f, 0x3c00},
        {1 + 0x1.8p-10f, 0x3c02}, {0x1.ffffp-15f, 0x0400},
    };
    idf_isa_select(c->isa);
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) {
        float value;
        idf_to_f32(&value, &halves[i].half, IDF_F16, 1);
        check_same(c, &value, &halves[i].value, sizeof value, "f16 to f32");
    }
    for (size_t i = 0; i < sizeof rounded / sizeof rounded[0]; i++) {
        uint16_t half;
        idf_from_f32(&half, &rounded[i].value, IDF_F16, 1);
        if (half != rounded[i].half) check_fail(c, "%a becomes %04x instead of %04x", rounded[i].value, half, rounded[i].half);
    }
}

// MARK: - Reductions

static void argmax(check *c) {
    for (int i = 0; i < 400 && !c->failed; i++) {
        const int64_t n = i < 70 ? i : check_size(c, 2500);
        float *x = check_random_floats(c, n);
        for (int64_t j = 0; j < n; j++) {
            // Few different values, so that equals decide; some NaN and infinities.
            x[j] = roundf(x[j] * 4);
            if (i % 3 == 1 && check_range(c, 0, 2) == 0) x[j] = NAN;
            if (i % 5 == 1 && check_range(c, 0, 9) == 0) x[j] = -INFINITY;
            if (i % 7 == 1) x[j] = NAN;
            if (i % 11 == 1) x[j] = j % 2 ? -INFINITY : NAN;
        }
        idf_isa_select(IDF_ISA_REFERENCE);
        const int64_t expected = idf_argmax(x, n);
        idf_isa_select(c->isa);
        const int64_t actual = idf_argmax(x, n);
        if (actual != expected) check_fail(c, "argmax of %lld is %lld, not %lld", (long long)n, (long long)actual, (long long)expected);
        check_release(c);
    }
    float x[3] = {1, NAN, 2};
    if (idf_argmax(x, 3) != 2 || idf_argmax(x + 1, 1) != -1 || idf_argmax(x, 0) != -1) check_fail(c, "argmax of known values");
}

static void run_log_softmax(void *context, void *out) {
    const call *c = context;
    if (c->rows != 0) memcpy(out, c->x, (size_t)c->n * sizeof(float));
    idf_log_softmax(out, c->rows != 0 ? out : c->x, c->n);
}

static void log_softmax(check *c) {
    for (int i = 0; i < 100 && !c->failed; i++) {
        call call = {.n = i < 70 ? i : check_size(c, 2500), .rows = i % 2};
        float *x = check_random_floats(c, call.n);
        for (int64_t j = 0; j < call.n; j++) x[j] = i % 3 == 1 && j % 4 == 1 ? -INFINITY : x[j] * (i % 5 == 0 ? 200 : 10);
        call.x = x;
        float *expected = check_floats(c, call.n), *actual = check_floats(c, call.n);
        check_against_reference(c, run_log_softmax, &call, expected, actual, (size_t)call.n * sizeof(float), "log_softmax");
        check_close(c, actual, expected, call.n, 3e-7, 2e-7, "log_softmax");
        check_release(c);
    }
}

// MARK: - Patches

static void patchify(check *c) {
    idf_isa_select(c->isa);
    enum { COUNT = 2, CHANNELS = 3, HEIGHT = 9, WIDTH = 11, PATCH = 4, DOWN = 2, ACROSS = 2 };
    float *x = check_random_floats(c, COUNT * CHANNELS * HEIGHT * WIDTH);
    float *y = check_floats(c, COUNT * DOWN * ACROSS * CHANNELS * PATCH * PATCH), *next = y;
    idf_patchify(y, x, COUNT, CHANNELS, HEIGHT, WIDTH, PATCH);
    for (int image = 0; image < COUNT; image++) {
        for (int row = 0; row < DOWN; row++) {
            for (int column = 0; column < ACROSS; column++) {
                for (int channel = 0; channel < CHANNELS; channel++) {
                    for (int i = 0; i < PATCH * PATCH; i++, next++) {
                        const int at = ((image * CHANNELS + channel) * HEIGHT + row * PATCH + i / PATCH) * WIDTH + column * PATCH + i % PATCH;
                        if (*next != x[at]) check_fail(c, "patch element %d is wrong", (int)(next - y));
                    }
                }
            }
        }
    }
}

const check_case casts_cases[] = {
    {"casts/widen", widen}, {"casts/narrow", narrow}, {"casts/tails", tails}, {"casts/known values", known_casts},
    {"casts/embedding", embedding}, {"reductions/argmax", argmax}, {"reductions/log_softmax", log_softmax}, {"patchify", patchify}, {0},
};
