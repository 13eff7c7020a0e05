// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

void check_fail(check *c, const char *format, ...) {
    if (c->failed) return;
    c->failed = 1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->message, c->size, format, arguments);
    va_end(arguments);
}

// MARK: - Memory

static const unsigned char CANARY = 0xa5;

void *check_memory(check *c, size_t bytes) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), data = (bytes + page - 1) / page * page + page;
    if (c->buffers == CHECK_BUFFERS) abort();
    char *map = mmap(NULL, data + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (map == MAP_FAILED || mprotect(map + data, page, PROT_NONE) != 0) abort();
    memset(map, CANARY, data);
    c->buffer[c->buffers].map = map;
    c->buffer[c->buffers].map_bytes = data + page;
    c->buffer[c->buffers].slack = data - bytes;
    c->buffers++;
    return map + data - bytes;
}

float *check_floats(check *c, int64_t n) { return check_memory(c, (size_t)n * sizeof(float)); }

float *check_random_floats(check *c, int64_t n) {
    float *values = check_floats(c, n);
    for (int64_t i = 0; i < n; i++) values[i] = (float)(int32_t)(uint32_t)check_next(c) * 0x1p-31f;
    return values;
}

void *check_random_weights(check *c, idf_dtype dtype, int64_t n) {
    float *values = check_random_floats(c, n);
    if (dtype == IDF_F32) return values;
    uint16_t *weights = check_memory(c, (size_t)n * sizeof(uint16_t));
    idf_isa_select(IDF_ISA_REFERENCE);
    idf_from_f32(weights, values, dtype, n);
    return weights;
}

void *check_random_quantized(check *c, idf_dtype format, int64_t n, int64_t k, const void **scales) {
    float *values = check_random_floats(c, n * k);
    void *codes = check_memory(c, (size_t)idf_quantized_bytes(format, n, k));
    void *own = check_memory(c, (size_t)idf_scale_count(format, n, k) * (format == IDF_NF4 ? sizeof(float) : sizeof(uint16_t)));
    // The instruction set under test: quantizing has checks of its own, and the reference takes its time.
    idf_isa_select(c->isa);
    idf_quantize(codes, own, format, values, IDF_F32, n, k);
    *scales = own;
    return codes;
}

void check_release(check *c) {
    for (int i = 0; i < c->buffers; i++) {
        for (size_t j = 0; j < c->buffer[i].slack; j++) {
            if ((unsigned char)c->buffer[i].map[j] != CANARY) {
                check_fail(c, "wrote %zu bytes before buffer %d", c->buffer[i].slack - j, i);
                break;
            }
        }
        munmap(c->buffer[i].map, c->buffer[i].map_bytes);
    }
    c->buffers = 0;
}

// MARK: - Random numbers

uint64_t check_next(check *c) {
    // splitmix64
    uint64_t z = c->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

int64_t check_range(check *c, int64_t low, int64_t high) {
    return low + (int64_t)(check_next(c) % (uint64_t)(high - low + 1));
}

int64_t check_size(check *c, int64_t high) {
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 127, 129, 257, 511, 513, 1030, 2500};
    for (;;) {
        const int64_t size = sizes[check_range(c, 0, (int64_t)(sizeof sizes / sizeof sizes[0]) - 1)];
        if (size <= high) return size;
    }
}

// MARK: - Comparison

void check_close(check *c, const float *a, const float *b, int64_t n, double absolute, double relative, const char *what) {
    for (int64_t i = 0; i < n; i++) {
        if (a[i] == b[i] || (isnan(a[i]) && isnan(b[i]))) continue;
        if (fabs((double)a[i] - b[i]) <= absolute + relative * fabs((double)b[i])) continue;
        check_fail(c, "%s: element %lld of %lld is %.9g instead of %.9g", what, (long long)i, (long long)n, a[i], b[i]);
        return;
    }
}

void check_same(check *c, const void *a, const void *b, size_t bytes, const char *what) {
    if (bytes != 0 && memcmp(a, b, bytes) != 0) check_fail(c, "%s: bytes differ", what);
}

void check_against_reference(check *c, void (*body)(void *context, void *out), void *context, void *expected, void *actual,
                             size_t bytes, const char *what) {
    idf_isa_select(IDF_ISA_REFERENCE);
    body(context, expected);
    idf_isa_select(c->isa);
    void *first = malloc(bytes + 1);
    if (first == NULL) abort();
    // The reference itself has run once already.
    const int least = c->isa == IDF_ISA_REFERENCE ? 3 : 1;
    if (least > 1) memcpy(first, expected, bytes);
    for (int threads = least; threads <= 3; threads++) {
        idf_set_thread_count(threads);
        body(context, actual);
        if (threads == 1) memcpy(first, actual, bytes);
        if (memcmp(first, actual, bytes) != 0) check_fail(c, "%s: %d threads change the result", what, threads);
    }
    free(first);
}
