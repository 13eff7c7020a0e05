// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// What a process says when a page of a mapped file cannot be read. The handler only reads a table of atomics and
// writes, both of which a signal handler may do.

#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "idefics_pages.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/// Maps beyond this many are not named; checkpoints have some hundred shards at most.
enum { MAPS = 1024, PATH_BYTES = 512 };

typedef struct noted_map {
    /// 0: free. 1: being written. Else the first address.
    atomic_uintptr_t start;
    size_t length;
    char path[PATH_BYTES];
} noted_map;

static noted_map maps[MAPS];

void idf_pages_note_map(const void *start, size_t length, const char *path) {
    for (int i = 0; i < MAPS; i++) {
        uintptr_t free = 0;
        if (!atomic_compare_exchange_strong(&maps[i].start, &free, 1)) continue;
        maps[i].length = length;
        strncpy(maps[i].path, path, PATH_BYTES - 1);
        maps[i].path[PATH_BYTES - 1] = 0;
        atomic_store(&maps[i].start, (uintptr_t)start);
        return;
    }
}

void idf_pages_forget_map(const void *start) {
    for (int i = 0; i < MAPS; i++) {
        uintptr_t noted = (uintptr_t)start;
        if (atomic_compare_exchange_strong(&maps[i].start, &noted, 0)) return;
    }
}

static struct sigaction previous;

static void say(const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        const ssize_t written = write(STDERR_FILENO, text, left);
        if (written <= 0) return;
        text += written;
        left -= (size_t)written;
    }
}

static void report(int signal_number, siginfo_t *info, void *context) {
    const uintptr_t address = (uintptr_t)info->si_addr;
    for (int i = 0; i < MAPS; i++) {
        const uintptr_t start = atomic_load(&maps[i].start);
        if (start <= 1 || address < start || address - start >= maps[i].length) continue;
        say("Error: cannot read ");
        say(maps[i].path);
        say(": the file was cut short while in use, or its storage failed\n");
        _exit(74);
    }
    // Not ours: the former handler's, or, with the former disposition back, the system's when the access is repeated.
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
        previous.sa_sigaction(signal_number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal_number);
    } else {
        sigaction(SIGBUS, &previous, NULL);
    }
}

void idf_pages_report_failures(void) {
    static atomic_flag is_installed = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&is_installed)) return;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = report;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &previous);
}
