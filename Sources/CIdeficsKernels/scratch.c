// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels.h"

typedef struct buffer {
    float *memory;
    int64_t count;
} buffer;

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void release(void *pointer) {
    buffer *buffers = pointer;
    free(buffers[IDF_SCRATCH_SHARED].memory);
    free(buffers[IDF_SCRATCH_TASK].memory);
    free(buffers);
}

static void make_key(void) { pthread_key_create(&key, release); }

static void *require(void *memory) {
    if (memory != NULL) return memory;
    fputs("idefics: out of memory for scratch space\n", stderr);
    abort();
}

float *idf_scratch(idf_scratch_slot slot, int64_t count) {
    pthread_once(&key_once, make_key);
    buffer *buffers = pthread_getspecific(key);
    if (buffers == NULL) {
        buffers = require(calloc(2, sizeof(buffer)));
        pthread_setspecific(key, buffers);
    }
    buffer *wanted = &buffers[slot];
    if (wanted->count < count) {
        free(wanted->memory);
        // Whole pages: the size must be a multiple of the alignment.
        const size_t bytes = ((size_t)count * sizeof(float) + 4095) / 4096 * 4096;
        wanted->memory = require(aligned_alloc(64, bytes));
        wanted->count = count;
    }
    return wanted->memory;
}
