// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TASKS = 300, CALLERS = 4 };

typedef struct marks {
    _Atomic int runs[TASKS];
    _Atomic int bad_thread;
} marks;

static void mark(void *context, int64_t task, int thread) {
    marks *m = context;
    atomic_fetch_add(&m->runs[task], 1);
    if (thread < 0 || thread >= idf_thread_count()) atomic_store(&m->bad_thread, 1);
}

/// Fails unless every task ran `times` times, on threads that exist.
static void expect_all_ran(check *c, const marks *m, int times, const char *what, int threads) {
    for (int i = 0; i < TASKS; i++) {
        const int runs = atomic_load(&m->runs[i]);
        if (runs != times) check_fail(c, "%s, %d threads: task %d ran %d times, not %d", what, threads, i, runs, times);
    }
    if (atomic_load(&m->bad_thread)) check_fail(c, "%s, %d threads: a thread number was out of range", what, threads);
}

static void counts(check *c) {
    static const int threads[] = {1, 2, 5, 1, 3, 9, 2, 12, 2, 7, 1, 8, 3, 2};
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        idf_set_thread_count(threads[i]);
        if (idf_thread_count() != threads[i]) check_fail(c, "the thread count did not become %d", threads[i]);
        marks m = {0};
        for (int run = 0; run < 200; run++) idf_parallel(TASKS, mark, &m);
        expect_all_ran(c, &m, 200, "after a change of the count", threads[i]);
        idf_parallel(0, mark, &m);
        idf_parallel(-1, mark, &m);
    }
    idf_set_thread_count(0);
    if (idf_thread_count() != 1) check_fail(c, "0 threads must become 1");
    idf_set_thread_count(100000);
    if (idf_thread_count() != 256) check_fail(c, "100000 threads must become 256");
}

static void nested_task(void *context, int64_t task, int thread) {
    (void)task, (void)thread;
    idf_parallel(TASKS, mark, context);
}

static void nested(check *c) {
    for (int threads = 1; threads <= 4; threads++) {
        idf_set_thread_count(threads);
        marks m = {0};
        idf_parallel(50, nested_task, &m);
        expect_all_ran(c, &m, 50, "nested", threads);
    }
}

static void *caller(void *context) {
    marks *m = context;
    for (int run = 0; run < 300; run++) idf_parallel(TASKS, mark, m);
    return NULL;
}

static void concurrent(check *c) {
    for (int threads = 1; threads <= 4; threads++) {
        idf_set_thread_count(threads);
        marks m[CALLERS] = {0};
        pthread_t handles[CALLERS];
        for (int i = 0; i < CALLERS; i++) pthread_create(&handles[i], NULL, caller, &m[i]);
        for (int i = 0; i < CALLERS; i++) pthread_join(handles[i], NULL);
        for (int i = 0; i < CALLERS; i++) expect_all_ran(c, &m[i], 300, "concurrent callers", threads);
    }
}

/// Operations called from several threads at once must not share scratch memory.
typedef struct product {
    const float *x, *weight;
    float *y;
} product;

enum { M = 40, N = 70, K = 130 };

static void *multiply(void *context) {
    product *p = context;
    for (int run = 0; run < 50; run++) {
        idf_linear_job job = {.weight = p->weight, .dtype = IDF_F32, .n = N, .y = p->y, .ldy = N};
        idf_linear(&job, 1, p->x, K, M, K);
    }
    return NULL;
}

static void concurrent_operations(check *c) {
    idf_isa_select(c->isa);
    idf_set_thread_count(3);
    product products[CALLERS];
    float *alone = check_floats(c, M * N);
    pthread_t handles[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        products[i] = (product){check_random_floats(c, M * K), check_random_floats(c, N * K), check_floats(c, M * N)};
    }
    for (int i = 0; i < CALLERS; i++) pthread_create(&handles[i], NULL, multiply, &products[i]);
    for (int i = 0; i < CALLERS; i++) pthread_join(handles[i], NULL);
    for (int i = 0; i < CALLERS; i++) {
        float *together = products[i].y;
        products[i].y = alone;
        multiply(&products[i]);
        check_same(c, together, alone, M * N * sizeof(float), "products of concurrent callers");
    }
}

static void limits(check *c) {
    idf_isa_select(c->isa);
    idf_set_thread_count(2);
    if (idf_limit_fma(1000) <= 0) check_fail(c, "no operations");
    for (size_t bytes = 0; bytes < 300; bytes++) idf_limit_read(check_memory(c, bytes), bytes), check_release(c);
    char *memory = check_memory(c, 3 << 20);
    const uint64_t before = idf_limit_read(memory, 3 << 20);
    memory[2500000] ^= 1;
    if (idf_limit_read(memory, 3 << 20) == before) check_fail(c, "the sum does not depend on the bytes");
}

const check_case pool_cases[] = {
    {"pool/counts", counts}, {"pool/nested", nested}, {"pool/concurrent", concurrent},
    {"pool/concurrent operations", concurrent_operations}, {"limits", limits}, {0},
};
