// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// The system calls behind read-ahead. Each is advice: where a system lacks one, pages are read by being touched and
// dropped when the system pleases, which is slower and no less right.

#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "idefics_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__linux__) && !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22  // Linux 5.14; older C libraries do not name it
#endif

typedef struct range {
    uintptr_t start, end;
} range;

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/// All pages that hold a byte of the range.
static range outward(const void *start, size_t length) {
    const uintptr_t mask = page_size() - 1, first = (uintptr_t)start;
    return (range){first & ~mask, (first + length + mask) & ~mask};
}

/// The pages that hold nothing but bytes of the range; empty when there are none.
static range inward(const void *start, size_t length) {
    const uintptr_t mask = page_size() - 1, first = (uintptr_t)start;
    const range pages = {(first + mask) & ~mask, (first + length) & ~mask};
    return pages.start < pages.end ? pages : (range){0, 0};
}

void idf_pages_read_on(int descriptor) {
#if defined(__linux__)
    (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
#else
    (void)descriptor;
#endif
}

void idf_pages_read(const void *start, size_t length) {
    if (length == 0) return;
    const range pages = outward(start, length);
#if defined(__linux__)
    int status;
    do {
        status = madvise((void *)pages.start, pages.end - pages.start, MADV_POPULATE_READ);
    } while (status != 0 && (errno == EAGAIN || errno == EINTR));
    // Other failures are those of the file: touching it here would be no better than touching it later.
    if (status == 0 || errno != EINVAL) return;
#endif
    const size_t step = page_size();
    for (uintptr_t page = pages.start; page < pages.end; page += step) (void)*(const volatile char *)page;
}

void idf_pages_drop(const void *start, size_t length, int descriptor, int64_t offset) {
    const range pages = inward(start, length);
    if (pages.start == pages.end) return;
    (void)madvise((void *)pages.start, pages.end - pages.start, MADV_DONTNEED);
#if defined(__linux__)
    (void)posix_fadvise(descriptor, (off_t)(offset + (int64_t)(pages.start - (uintptr_t)start)),
                        (off_t)(pages.end - pages.start), POSIX_FADV_DONTNEED);
#else
    (void)descriptor;
    (void)offset;
#endif
}

void idf_pages_scatter(const void *start, size_t length) {
    const range pages = inward(start, length);
    if (pages.start < pages.end) (void)madvise((void *)pages.start, pages.end - pages.start, MADV_RANDOM);
}

size_t idf_pages_resident(const void *start, size_t length) {
    if (length == 0) return 0;
    const range pages = outward(start, length);
    const size_t size = page_size();
    size_t count = 0;
    for (uintptr_t part = pages.start; part < pages.end;) {
#if defined(__APPLE__)
        char states[1024];
#else
        unsigned char states[1024];
#endif
        const size_t left = (pages.end - part) / size, now = left < sizeof states ? left : sizeof states;
        if (mincore((void *)part, now * size, states) != 0) return 0;
        for (size_t i = 0; i < now; i++) count += states[i] & 1;
        part += now * size;
    }
    return count * size < length ? count * size : length;
}
