// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include <stdatomic.h>

#include "kernels.h"

static const int64_t READ_BYTES = 1 << 20;

typedef struct context {
    const idf_kernels *kernels;
    double (*limit)(int64_t iterations);
    const char *p;
    int64_t bytes, iterations;
    _Atomic uint64_t sum;
    _Atomic int64_t operations;
} context;

static void read_part(void *argument, int64_t task, int thread) {
    (void)thread;
    context *c = argument;
    const int64_t begin = task * READ_BYTES;
    atomic_fetch_add(&c->sum, c->kernels->limit_read(c->p + begin, (size_t)idf_min(READ_BYTES, c->bytes - begin)));
}

uint64_t idf_limit_read(const void *p, size_t bytes) {
    context c = {.kernels = idf_kernels_best(), .p = p, .bytes = (int64_t)bytes};
    idf_parallel(idf_divide_up((int64_t)bytes, READ_BYTES), read_part, &c);
    return atomic_load(&c.sum);
}

static void multiply_add(void *argument, int64_t task, int thread) {
    (void)task, (void)thread;
    context *c = argument;
    atomic_fetch_add(&c->operations, (int64_t)c->limit(c->iterations));
}

/// Operations of `limit` on all threads.
static double on_all_threads(double (*limit)(int64_t), int64_t iterations) {
    context c = {.limit = limit, .iterations = iterations};
    idf_parallel(idf_thread_count(), multiply_add, &c);
    return (double)atomic_load(&c.operations);
}

double idf_limit_fma(int64_t iterations) { return on_all_threads(idf_kernels_best()->limit_fma, iterations); }

double idf_limit_bf16(int64_t iterations) {
    const idf_bf16_kernels *bf16 = idf_bf16_kernels_best();
    if (bf16 == NULL || bf16->limit == NULL) return idf_limit_fma(iterations);
    return on_all_threads(bf16->limit, iterations);
}

double idf_limit_int8(int64_t iterations) {
    const idf_integer_kernels *integers = idf_integer_kernels_best();
    return integers == NULL ? 0 : on_all_threads(integers->limit, iterations);
}
