// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// What products of floats (linear.c) and of integers (linear_integer.c) share: how work is cut, and fetching ahead.

#pragma once

#include "kernels.h"

/// Output features of a task: a multiple of `unit`, at most `most`, such that the busiest thread has least to do.
static inline int64_t idf_task_columns(const idf_linear_job *jobs, int64_t count, int64_t unit, int64_t most) {
    const int64_t threads = idf_thread_count();
    int64_t widest = 1;
    for (int64_t i = 0; i < count; i++) widest = idf_max(widest, idf_divide_up(jobs[i].n, unit));
    // Small products must not pay for candidates wider than they are.
    const int64_t largest = idf_max(1, idf_min(widest, most / unit));
    int64_t best = largest, least = INT64_MAX;
    for (int64_t units = largest; units >= idf_max(1, largest / 4); units--) {
        int64_t tasks = 0;
        for (int64_t i = 0; i < count; i++) tasks += idf_divide_up(jobs[i].n, units * unit);
        // The last task of a job may be small, so many tasks for a thread even out by themselves.
        const int64_t load = idf_divide_up(tasks, threads) * units;
        if (load < least) {
            least = load;
            best = units;
        }
    }
    return best * unit;
}

/// Tasks that `count` jobs make, `block` output features each.
static inline int64_t idf_block_count(const idf_linear_job *jobs, int64_t count, int64_t block) {
    int64_t blocks = 0;
    for (int64_t i = 0; i < count; i++) blocks += idf_divide_up(jobs[i].n, block);
    return blocks;
}

/// Finds the job that block `index` belongs to, beginning with `job`; *index becomes the block inside it.
static inline const idf_linear_job *idf_job_of(const idf_linear_job *job, int64_t block, int64_t *index) {
    while (*index >= idf_divide_up(job->n, block)) *index -= idf_divide_up(job++->n, block);
    return job;
}

/// First row of panel p of m rows: panels differ by one row at most, so none is nearly empty.
static inline int64_t idf_panel_begin(int64_t m, int64_t panels, int64_t p) { return m * p / panels; }

/// Tasks that share a block of features, each with a part of the panels: more than one only where blocks are too few.
static inline int64_t idf_row_groups(int64_t blocks, int64_t panels) {
    const int64_t threads = idf_thread_count();
    return blocks >= 2 * threads ? 1 : idf_min(panels, idf_divide_up(2 * threads, idf_max(blocks, 1)));
}

// MARK: - Fetching ahead

/// Weights that a task will pack next: fetched from memory while it multiplies those it has.
typedef struct idf_upcoming {
    const char *first;   ///< first byte of the first row
    int64_t row_bytes;   ///< from row to row
    int64_t rows;        ///< 0 when nothing comes
    int64_t row_lines;   ///< cache lines of a row
    int64_t done, step;  ///< lines asked for, lines at a time
} idf_upcoming;

enum { IDF_LINE = 64 };

/// Rows row..<row + rows, features column..<column + columns of a weight [·, k], to be asked for in `visits` portions.
/// Rows and columns begin where blocks and groups of the format do.
static inline idf_upcoming idf_upcoming_part(const void *weight, idf_dtype dtype, int64_t k, int64_t row, int64_t rows,
                                             int64_t column, int64_t columns, int64_t visits) {
    idf_upcoming next;
    int64_t bytes;
    if (dtype == IDF_INT8 || dtype == IDF_INT4) {
        // Blocks of rows, in which groups follow each other.
        const int64_t group = idf_group_bytes(dtype);
        next.row_bytes = idf_groups(k) * group;
        next.first = (const char *)weight + row / IDF_BLOCK_ROWS * next.row_bytes + column / IDF_GROUP * group;
        next.rows = idf_divide_up(rows, IDF_BLOCK_ROWS);
        bytes = idf_groups(columns) * group;
    } else {
        const int64_t halves = dtype == IDF_NF4 ? 1 : 2 * (int64_t)idf_dtype_size(dtype); // half bytes of an element
        next.row_bytes = k * halves / 2;
        next.first = (const char *)weight + (row * k + column) * halves / 2;
        next.rows = rows;
        bytes = columns * halves / 2;
    }
    next.row_lines = idf_divide_up(bytes, IDF_LINE);
    next.done = 0;
    next.step = idf_divide_up(next.rows * next.row_lines, visits);
    return next;
}

/// Asks for the next few lines. A line may be asked for that lies after the last row: a prefetch cannot fault.
static inline void idf_prefetch_upcoming(idf_upcoming *next) {
    const int64_t end = idf_min(next->done + next->step, next->rows * next->row_lines);
    for (int64_t line = next->done; line < end; line++) {
        const int64_t row = line / next->row_lines;
        __builtin_prefetch(next->first + row * next->row_bytes + (line - row * next->row_lines) * IDF_LINE, 0, 2);
    }
    next->done = end;
}
