// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include <stdatomic.h>

#include "kernels.h"

static const int64_t READ_BYTES = 1 << 20;

typedef struct context {
    const idf_kernels *kernels;
    const idf_integer_kernels *integers;
    const idf_bf16_kernels *bf16;
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
    atomic_fetch_add(&c->operations, (int64_t)c->kernels->limit_fma(c->iterations));
}

double idf_limit_fma(int64_t iterations) {
    context c = {.kernels = idf_kernels_best(), .iterations = iterations};
    idf_parallel(idf_thread_count(), multiply_add, &c);
    return (double)atomic_load(&c.operations);
}

static void multiply_add_pairs(void *argument, int64_t task, int thread) {
    (void)task, (void)thread;
    context *c = argument;
    atomic_fetch_add(&c->operations, (int64_t)c->bf16->limit(c->iterations));
}

double idf_limit_bf16(int64_t iterations) {
    context c = {.bf16 = idf_bf16_kernels_best(), .iterations = iterations};
    if (c.bf16 == NULL || c.bf16->limit == NULL) return idf_limit_fma(iterations);
    idf_parallel(idf_thread_count(), multiply_add_pairs, &c);
    return (double)atomic_load(&c.operations);
}

static void multiply_add_integers(void *argument, int64_t task, int thread) {
    (void)task, (void)thread;
    context *c = argument;
    atomic_fetch_add(&c->operations, (int64_t)c->integers->limit(c->iterations));
}

double idf_limit_int8(int64_t iterations) {
    context c = {.integers = idf_integer_kernels_best(), .iterations = iterations};
    if (c.integers == NULL) return 0;
    idf_parallel(idf_thread_count(), multiply_add_integers, &c);
    return (double)atomic_load(&c.operations);
}
