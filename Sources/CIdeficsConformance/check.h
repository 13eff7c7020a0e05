// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// What the checks share: guarded memory, random numbers, comparison.

#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idefics_conformance.h"
#include "idefics_gradients.h"

enum { CHECK_BUFFERS = 64 };

typedef struct check {
    idf_isa isa;
    char *message;
    size_t size;
    int failed;
    uint64_t random;
    int buffers;
    struct {
        char *map;
        size_t map_bytes, slack; ///< slack: canary bytes before the buffer
    } buffer[CHECK_BUFFERS];
} check;

/// Records the first failure.
void check_fail(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// `bytes` bytes that end exactly at a page that cannot be touched; contents 0xa5.
void *check_memory(check *c, size_t bytes);
/// `n` floats in guarded memory.
float *check_floats(check *c, int64_t n);
/// `n` random floats in -1...1 in guarded memory.
float *check_random_floats(check *c, int64_t n);
/// `n` random weights of `dtype` in guarded memory.
void *check_random_weights(check *c, idf_dtype dtype, int64_t n);
/// A random weight [n, k] in a quantized format, in guarded memory, with its scales.
void *check_random_quantized(check *c, idf_dtype format, int64_t n, int64_t k, const void **scales);
/// Fails when something was written before a buffer; frees all buffers.
void check_release(check *c);

uint64_t check_next(check *c);
/// A random number in low...high.
int64_t check_range(check *c, int64_t low, int64_t high);
/// One of the sizes around the vector lengths, at most `high`.
int64_t check_size(check *c, int64_t high);

/// Fails unless |a − b| <= absolute + relative · |b| for all n (NaN equals NaN).
void check_close(check *c, const float *a, const float *b, int64_t n, double absolute, double relative, const char *what);
/// Fails unless the bytes are equal.
void check_same(check *c, const void *a, const void *b, size_t bytes, const char *what);

/// Runs `body` with the reference loops into `expected`, then with the instruction set under test and 1, 2 and 3
/// threads; the results of all thread counts must be the same bits. The last result is in `actual`.
void check_against_reference(check *c, void (*body)(void *context, void *out), void *context, void *expected, void *actual,
                             size_t bytes, const char *what);

typedef struct check_case {
    const char *name;
    void (*run)(check *c);
} check_case;

extern const check_case linear_cases[], quantized_cases[], formats_cases[], calibrated_cases[], attention_cases[], rows_cases[], casts_cases[],
    pool_cases[], gradients_cases[], dynamic_cases[];
