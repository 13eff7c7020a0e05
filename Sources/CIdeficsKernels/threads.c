// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// The thread pool. Workers take tasks off one word, the ticket: the region's number, its threads and how many tasks are
// left. Taking is a compare-and-swap, so a worker that wakes late finds either nothing or a task of the region that runs
// now, one that is no longer wanted takes nothing, and the caller waits for tasks, never for workers. Idle workers spin
// briefly, then sleep in the kernel.

#if defined(__linux__)
#define _GNU_SOURCE
#endif

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "kernels.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#endif

enum { MAX_THREADS = 256 };

/// Spinning longer than this costs more on busy machines than the wake-up it saves (a futex wake takes 5-50 us).
static const int64_t SPIN_NANOSECONDS = 50000;

/// Tasks of one region at most; larger counts run as several regions.
static const int64_t REGION_TASKS = INT64_C(1) << 20;

enum { COUNT_BITS = 24, THREAD_BITS = 9 }; // of a ticket, from the low end; the rest is the region's number

static struct {
    _Alignas(128) _Atomic uint64_t ticket;
    _Alignas(128) _Atomic uint32_t finished;  ///< tasks done; the caller sleeps on it
    _Atomic uint32_t caller_sleeps;
    _Alignas(128) _Atomic uint32_t epoch;     ///< idle workers sleep on it
    _Atomic uint32_t sleepers;
    _Atomic uint32_t parking;                 ///< workers beyond the count sleep on it
    _Alignas(128) idf_task task;              ///< valid while a task of the region is not finished
    void *context;
    int64_t first, count;
    _Atomic int busy;                         ///< a caller owns the pool
    _Atomic int threads;                      ///< in use, the caller included; 0 before the first question
    int started;                              ///< workers that exist, guarded by `busy`
} pool;

/// Tasks of a ticket that nobody has taken.
static uint32_t tasks_left(uint64_t ticket) { return (uint32_t)(ticket & ((UINT64_C(1) << COUNT_BITS) - 1)); }

/// Threads that may take tasks of a ticket.
static int threads_of(uint64_t ticket) { return (int)(ticket >> COUNT_BITS & ((1 << THREAD_BITS) - 1)); }

// MARK: - Sleeping

#if defined(__linux__)

static void sleep_while(_Atomic uint32_t *word, uint32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word, int count) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0); }

#else

static pthread_mutex_t sleep_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sleep_condition = PTHREAD_COND_INITIALIZER;

static void sleep_while(_Atomic uint32_t *word, uint32_t value) {
    pthread_mutex_lock(&sleep_mutex);
    while (atomic_load(word) == value) pthread_cond_wait(&sleep_condition, &sleep_mutex);
    pthread_mutex_unlock(&sleep_mutex);
}

static void wake(_Atomic uint32_t *word, int count) {
    (void)word, (void)count;
    pthread_mutex_lock(&sleep_mutex);
    pthread_cond_broadcast(&sleep_condition);
    pthread_mutex_unlock(&sleep_mutex);
}

#endif

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/// Spins until `ready(argument)` or the time is over; tells whether it became ready.
static int spin(int (*ready)(uint32_t), uint32_t argument) {
    int64_t start = 0;
    for (unsigned turn = 1;; turn++) {
        if (ready(argument)) return 1;
        pause_briefly();
        if (turn % 16 == 0) {
            const int64_t time = now();
            if (start == 0) start = time;
            if (time - start > SPIN_NANOSECONDS) return 0;
        }
    }
}

// MARK: - Working

/// Takes and runs tasks until none is left.
static void work(int thread) {
    uint64_t ticket = atomic_load_explicit(&pool.ticket, memory_order_acquire);
    while (tasks_left(ticket) != 0 && thread < threads_of(ticket)) {
        if (!atomic_compare_exchange_weak_explicit(&pool.ticket, &ticket, ticket - 1, memory_order_acq_rel,
                                                   memory_order_acquire)) continue;
        // The region cannot end before this task does: its description is stable from here on.
        const uint32_t count = (uint32_t)pool.count;
        pool.task(pool.context, pool.first + (count - tasks_left(ticket)), thread);
        if (atomic_fetch_add(&pool.finished, 1) + 1 == count && atomic_load(&pool.caller_sleeps)) wake(&pool.finished, 1);
        ticket = atomic_load_explicit(&pool.ticket, memory_order_acquire);
    }
}

static int has_tasks_or_news(uint32_t seen) {
    return tasks_left(atomic_load_explicit(&pool.ticket, memory_order_acquire)) != 0 || atomic_load(&pool.epoch) != seen;
}

static int is_finished(uint32_t count) { return atomic_load_explicit(&pool.finished, memory_order_acquire) == count; }

static void *worker(void *argument) {
    const int thread = (int)(intptr_t)argument;
    for (;;) {
        const uint32_t parking = atomic_load(&pool.parking);
        if (thread >= atomic_load(&pool.threads)) {
            sleep_while(&pool.parking, parking);
            continue;
        }
        const uint32_t seen = atomic_load(&pool.epoch);
        work(thread);
        if (spin(has_tasks_or_news, seen)) continue;
        // The caller publishes tasks, then looks for sleepers; this side announces itself, then looks for tasks.
        atomic_fetch_add(&pool.sleepers, 1);
        if (tasks_left(atomic_load(&pool.ticket)) == 0) sleep_while(&pool.epoch, seen);
        atomic_fetch_sub(&pool.sleepers, 1);
    }
    return NULL;
}

/// Starts the workers that are missing; fewer when the system refuses. The caller owns the pool.
static void start_workers(int threads) {
    if (pool.started >= threads - 1) return;
    // Signals belong to the program's own threads.
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    while (pool.started < threads - 1) {
        pthread_t handle;
        if (pthread_create(&handle, &attributes, worker, (void *)(intptr_t)(pool.started + 1)) != 0) break;
        pool.started++;
    }
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/// Runs tasks first..<first + count as one region. The caller owns the pool.
static void run_region(int64_t first, int64_t count, idf_task task, void *context, int threads) {
    pool.task = task;
    pool.context = context;
    pool.first = first;
    pool.count = count;
    atomic_store(&pool.finished, 0);
    atomic_store(&pool.caller_sleeps, 0);
    const uint32_t region = atomic_load(&pool.epoch) + 1;
    atomic_store(&pool.ticket, ((uint64_t)region << THREAD_BITS | (uint64_t)threads) << COUNT_BITS | (uint64_t)count);
    atomic_store(&pool.epoch, region);
    if (atomic_load(&pool.sleepers) != 0) wake(&pool.epoch, (int)(count < threads ? count : threads) - 1);

    work(0);
    if (spin(is_finished, (uint32_t)count)) return;
    atomic_store(&pool.caller_sleeps, 1);
    for (;;) {
        const uint32_t finished = atomic_load(&pool.finished);
        if (finished == (uint32_t)count) return;
        sleep_while(&pool.finished, finished);
    }
}

// MARK: - Public

static int machine_threads(void) {
    long count = 0;
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
    if (count <= 0) count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (int)count;
}

int idf_thread_count(void) {
    int threads = atomic_load(&pool.threads);
    if (threads == 0) {
        const int wanted = machine_threads();
        threads = atomic_compare_exchange_strong(&pool.threads, &threads, wanted) ? wanted : threads;
    }
    return threads;
}

void idf_set_thread_count(int count) {
    atomic_store(&pool.threads, count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : count);
    // Everybody looks again whether it is still wanted.
    atomic_fetch_add(&pool.parking, 1);
    wake(&pool.parking, MAX_THREADS);
    atomic_fetch_add(&pool.epoch, 1);
    wake(&pool.epoch, MAX_THREADS);
}

void idf_parallel(int64_t count, idf_task task, void *context) {
    if (count <= 0) return;
    const int threads = idf_thread_count();
    int free = 0;
    if (count == 1 || threads == 1 || !atomic_compare_exchange_strong(&pool.busy, &free, 1)) {
        for (int64_t i = 0; i < count; i++) task(context, i, 0);
        return;
    }
    start_workers(threads);
    for (int64_t first = 0; first < count; first += REGION_TASKS) {
        const int64_t rest = count - first;
        run_region(first, rest < REGION_TASKS ? rest : REGION_TASKS, task, context, threads);
    }
    atomic_store(&pool.busy, 0);
}
