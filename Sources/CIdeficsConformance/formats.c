// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

static const char *const names[] = {"f32", "bf16", "f16", "int8", "int4", "nf4"};

typedef struct call {
    const void *weight, *codes, *scales;
    idf_dtype format, dtype;
    int64_t n, k, rows;
    const int32_t *ids;
} call;

static size_t code_bytes(const call *c) { return (size_t)idf_quantized_bytes(c->format, c->n, c->k); }
static size_t scale_bytes(const call *c) {
    return (size_t)idf_scale_count(c->format, c->n, c->k) * (c->format == IDF_NF4 ? 4 : 2);
}

/// Scales first: they want the alignment.
static void run_quantize(void *context, void *out) {
    const call *c = context;
    idf_quantize((char *)out + scale_bytes(c), out, c->format, c->weight, c->dtype, c->n, c->k);
}

static void run_dequantize(void *context, void *out) {
    const call *c = context;
    idf_dequantize(out, c->codes, c->scales, c->format, c->n, c->k);
}

static void run_embedding(void *context, void *out) {
    const call *c = context;
    idf_embedding_quantized(out, c->codes, c->scales, c->format, c->ids, c->rows, c->k);
}

/// Runs with the reference loops and with those under test; the bytes must be equal. Returns them.
static void *same(check *c, void (*body)(void *, void *), call *call, size_t bytes, const char *what) {
    char name[128];
    snprintf(name, sizeof name, "%s %s n %lld k %lld", what, names[call->format], (long long)call->n, (long long)call->k);
    void *expected = check_memory(c, bytes), *actual = check_memory(c, bytes);
    check_against_reference(c, body, call, expected, actual, bytes, name);
    check_same(c, actual, expected, bytes, name);
    return actual;
}

/// Quantizes, dequantizes and gathers the weight of a call, each the same bits as the reference; returns the values.
static const float *round_trip(check *c, call *call) {
    // Whole floats: the memory ends at a page, and scales must be aligned.
    char *both = same(c, run_quantize, call, scale_bytes(call) + (code_bytes(call) + 3) / 4 * 4, "quantize");
    void *codes = check_memory(c, code_bytes(call)), *scales = check_memory(c, scale_bytes(call));
    memcpy(scales, both, scale_bytes(call));
    memcpy(codes, both + scale_bytes(call), code_bytes(call));
    call->codes = codes;
    call->scales = scales;
    const float *values = same(c, run_dequantize, call, (size_t)(call->n * call->k) * sizeof(float), "dequantize");
    int32_t *ids = check_memory(c, 9 * sizeof(int32_t));
    for (int i = 0; i < 9; i++) ids[i] = (int32_t)check_range(c, 0, call->n - 1);
    call->ids = ids;
    call->rows = 9;
    const float *rows = same(c, run_embedding, call, (size_t)(9 * call->k) * sizeof(float), "embedding");
    for (int i = 0; i < 9; i++) check_same(c, rows + i * call->k, values + ids[i] * call->k, (size_t)call->k * 4, "a gathered row");
    return values;
}

static double squared_error(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum;
}

/// Bell-shaped, as weights are.
static void shape(float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i] = 0.02f * x[i] * (0.3f + x[i] * x[i]);
}

static void quantize(check *c) {
    for (int i = 0; i < 90 && !c->failed; i++) {
        call call = {.format = (idf_dtype)(IDF_INT8 + i % 3), .n = check_size(c, 65), .k = check_size(c, 300)};
        call.dtype = (idf_dtype)check_range(c, IDF_F32, IDF_F16);
        if (i < 3) call.n = 1, call.k = 1;
        if (i >= 87) call.n = 1030, call.k = 129;
        const int64_t count = call.n * call.k;
        float *x = check_random_floats(c, count), *exact = check_floats(c, count);
        void *weight = check_memory(c, (size_t)count * (call.dtype == IDF_F32 ? 4 : 2));
        shape(x, count);
        idf_isa_select(IDF_ISA_REFERENCE);
        idf_from_f32(weight, x, call.dtype, count);
        idf_to_f32(exact, weight, call.dtype, count);
        call.weight = weight;
        const float *values = round_trip(c, &call);
        // No element is further off than half a step of the coarsest scale that is tried, what the finest one cuts with what
        // rounding the scale to bf16 adds (INT8: 1 / 127 + 2^-9), or half a step of the table.
        for (int64_t row = 0; row < call.n; row++) {
            for (int64_t l = 0; l < call.k; l++) {
                const int64_t flat = row * call.k + l;
                int64_t first = row * call.k + l / 64 * 64, last = first - l / 64 * 64 + (l / 64 * 64 + 64 < call.k ? l / 64 * 64 + 64 : call.k);
                if (call.format == IDF_NF4) first = flat / 64 * 64, last = first + 64 < count ? first + 64 : count;
                float largest = 0;
                for (int64_t j = first; j < last; j++) largest = fmaxf(largest, fabsf(exact[j]));
                const float bound = call.format == IDF_INT8 ? 0.01f : call.format == IDF_INT4 ? 0.25f : 0.153f;
                const float error = fabsf(values[flat] - exact[flat]);
                if (!(error <= bound * largest)) check_fail(c, "%s: %g becomes %g, largest %g", names[call.format], exact[flat], values[flat], largest);
            }
        }
        check_release(c);
    }
}

/// The search must beat plain nearest (the largest magnitude over all codes) clearly.
static void search(check *c) {
    enum { N = 64, K = 512 };
    idf_isa_select(c->isa);
    float *x = check_random_floats(c, N * K), *values = check_floats(c, N * K), *plain = check_floats(c, N * K);
    for (int i = 0; i < N * K; i++) {
        // A sum of four is close enough to a normal distribution.
        x[i] += (float)(int32_t)(uint32_t)check_next(c) * 0x1p-31f + (float)(int32_t)(uint32_t)check_next(c) * 0x1p-31f;
        x[i] = 0.01f * (x[i] + (float)(int32_t)(uint32_t)check_next(c) * 0x1p-31f);
    }
    for (int format = IDF_INT8; format <= IDF_INT4; format++) {
        const float codes = format == IDF_INT8 ? 127 : 7;
        for (int g = 0; g < N * K / 64; g++) {
            float largest = 0;
            for (int i = 0; i < 64; i++) largest = fmaxf(largest, fabsf(x[g * 64 + i]));
            for (int i = 0; i < 64; i++) plain[g * 64 + i] = rintf(x[g * 64 + i] / (largest / codes)) * (largest / codes);
        }
        void *quantized = check_memory(c, (size_t)idf_quantized_bytes((idf_dtype)format, N, K));
        void *scales = check_memory(c, (size_t)idf_scale_count((idf_dtype)format, N, K) * 2);
        idf_quantize(quantized, scales, (idf_dtype)format, x, IDF_F32, N, K);
        idf_dequantize(values, quantized, scales, (idf_dtype)format, N, K);
        const double ratio = squared_error(values, x, N * K) / squared_error(plain, x, N * K);
        if (!(ratio < (format == IDF_INT8 ? 0.97 : 0.76))) check_fail(c, "%s: %g of the error of plain nearest", names[format], ratio);
    }
}

static void special(check *c) {
    enum { N = 17, K = 130 };
    idf_isa_select(c->isa);
    for (int format = IDF_INT8; format <= IDF_NF4; format++) {
        float *x = check_random_floats(c, N * K);
        x[5] = NAN;
        x[K + 70] = -INFINITY;
        for (int l = 0; l < K; l++) {
            x[2 * K + l] *= 0x1p-110f;
            x[3 * K + l] *= 3.4e38f;
            x[4 * K + l] = l % 2 ? -0.0f : 0.0f;
            x[5 * K + l] = l == 3 ? -1 : 0;
        }
        call call = {.format = (idf_dtype)format, .n = N, .k = K, .weight = x};
        const float *values = round_trip(c, &call);
        if (format == IDF_NF4) {
            check_release(c);
            continue;
        }
        for (int row = 0; row < N; row++) {
            for (int l = 0; l < K; l++) {
                const float value = values[row * K + l], original = x[row * K + l];
                const int broken = (row == 0 && l < 64) || (row == 1 && l >= 64 && l < 128);
                if (broken ? !isnan(value) : !isfinite(value)) check_fail(c, "%s: row %d, step %d is %g", names[format], row, l, value);
                if ((row == 2 || row == 4) && value != 0) check_fail(c, "%s: %g becomes %g", names[format], original, value);
                if (row == 5 && value != original) check_fail(c, "%s: a single -1 became %g", names[format], value);
            }
        }
        check_release(c);
    }
}

/// The layout, byte by byte, against codes written down here.
static void layout(check *c) {
    enum { N = 18, K = 70 };
    idf_isa_select(c->isa);
    for (int format = IDF_INT8; format <= IDF_INT4; format++) {
        const int zero = format == IDF_INT8 ? 128 : 8, group_bytes = format == IDF_INT8 ? 1024 : 512;
        float *x = check_floats(c, N * K);
        for (int row = 0; row < N; row++) {
            for (int l = 0; l < K; l++) x[row * K + l] = l % 64 == 0 ? (float)-zero : (float)((row * 5 + l * 3) % (2 * zero) - zero);
        }
        const int64_t bytes = idf_quantized_bytes((idf_dtype)format, N, K), count = idf_scale_count((idf_dtype)format, N, K);
        if (bytes != 4 * group_bytes || count != 64) check_fail(c, "%s: %lld bytes, %lld scales", names[format], (long long)bytes, (long long)count);
        uint8_t *codes = check_memory(c, (size_t)bytes);
        uint16_t *scales = check_memory(c, (size_t)count * 2);
        idf_quantize(codes, scales, (idf_dtype)format, x, IDF_F32, N, K);
        for (int row = 0; row < 32; row++) {
            for (int l = 0; l < 128; l++) {
                const uint8_t *group = codes + (row / 16 * 2 + l / 64) * group_bytes;
                const int step = l % 64, at = row % 16 * 4 + step % 4;
                const int code = format == IDF_INT8 ? group[step / 4 * 64 + at]
                                                    : group[step / 8 * 64 + at] >> (step / 4 % 2 * 4) & 15;
                const int expected = row < N && l < K ? (int)x[row * K + l] + zero : zero;
                if (code != expected) check_fail(c, "%s: row %d, step %d: code %d, not %d", names[format], row, l, code, expected);
            }
            const uint16_t scale = scales[row / 16 * 32 + row % 16];
            if (scale != (row < N ? 0x3f80 : 0)) check_fail(c, "%s: scale %04x of row %d", names[format], scale, row);
        }
        check_release(c);
    }
}

/// Against the values and the decisions of bitsandbytes.
static void nf4(check *c) {
    static const float boundaries[15] = {
        -0.8480964004993439f, -0.6106329262256622f, -0.4599952697753906f, -0.33967943489551544f, -0.23460740596055984f,
        -0.13791173323988914f, -0.045525018125772476f, 0.03979014977812767f, 0.1202552504837513f, 0.2035212516784668f,
        0.2920137718319893f, 0.3893125355243683f, 0.5016634166240692f, 0.6427869200706482f, 0.8614784181118011f,
    };
    idf_isa_select(c->isa);
    float x[64] = {1, 0, -1}, y[64], absmax;
    uint8_t codes[32];
    for (int i = 0; i < 15; i++) {
        x[3 + 2 * i] = boundaries[i];
        x[4 + 2 * i] = nextafterf(boundaries[i], 2);
    }
    idf_quantize(codes, &absmax, IDF_NF4, x, IDF_F32, 1, 64);
    for (int i = 0; i < 30; i++) {
        const int at = i + 3, code = at % 2 == 0 ? codes[at / 2] >> 4 : codes[at / 2] & 15;
        if (code != i / 2 + i % 2) check_fail(c, "nf4 of %.9g is %d, not %d", x[at], code, i / 2 + i % 2);
    }
    if (absmax != 1 || codes[0] != 0xf7 || codes[1] >> 4 != 0) check_fail(c, "nf4 of 1, 0, -1 is %02x%02x", codes[0], codes[1]);
    idf_dequantize(y, codes, &absmax, IDF_NF4, 1, 64);
    if (y[0] != 1 || y[1] != 0 || y[2] != -1 || y[4] != -0.6961928009986877f) check_fail(c, "nf4 values");
    // An odd count ends in the code of zero.
    const float odd[3] = {-2, 1, 2};
    idf_quantize(codes, &absmax, IDF_NF4, odd, IDF_F32, 3, 1);
    if (absmax != 2 || codes[0] != 0x0c || codes[1] != 0xf7) check_fail(c, "nf4 of three: %02x%02x", codes[0], codes[1]);

    uint8_t nested[300];
    float table[256], scales[2] = {2, 3}, out[300];
    for (int i = 0; i < 256; i++) table[i] = (float)i / 255 - 0.5f;
    for (int i = 0; i < 300; i++) nested[i] = (uint8_t)(i * 7);
    idf_nf4_absmax(out, nested, table, scales, 0.25f, 300);
    for (int i = 0; i < 300; i++) {
        const volatile float product = table[nested[i]] * scales[i / 256];
        if (out[i] != product + 0.25f) check_fail(c, "absmax %d is %g", i, out[i]);
    }
}

const check_case formats_cases[] = {
    {"formats/quantize", quantize}, {"formats/search", search}, {"formats/special", special}, {"formats/layout", layout},
    {"formats/nf4", nf4}, {0},
};
