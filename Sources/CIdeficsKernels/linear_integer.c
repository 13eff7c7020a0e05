// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of INT8 and INT4 weights with quantized x. x is quantized once into panels of tile_rows. Few rows: codes are
// multiplied as they lie, while they pass. Many rows: in pieces of k, so that a panel of x stays in the L1 cache and the
// codes of a task in the L2 cache; INT4 is unpacked to bytes there. How the work is cut changes no result.

#include "linear.h"

enum {
    DEPTH = 8,         ///< groups between visits to the product
    CHUNK_ROWS = 512,  ///< rows of x quantized at a time
    STREAM_BYTES = 1 << 19, ///< weight bytes of a streaming task
    ALONE = 1 << 14,   ///< elements of x that are quantized without waking the other threads
};

typedef struct context {
    const idf_integer_kernels *kernels;
    const idf_linear_kernels *linear;
    const idf_linear_job *jobs;
    idf_dtype format;
    const float *x;
    int64_t ldx, m, k, groups;
    int64_t first_row;          ///< of the jobs' rows, where this chunk of x begins
    int64_t block;              ///< output features of a task
    int64_t row_groups, panels; ///< tasks that share a block; panels of x
    idf_integer_form form;      ///< how tiles find the codes
    int64_t x_bytes;            ///< of a row and group of quantized x
    idf_integer_rows rows;      ///< all of it, panel after panel
} context;

static int64_t panel_begin(const context *c, int64_t p) { return idf_panel_begin(c->m, c->panels, p); }

/// Panel p of the quantized rows, from `group` on.
static idf_integer_rows panel_at(const context *c, int64_t p, int64_t group) {
    const int64_t begin = panel_begin(c, p), rows = panel_begin(c, p + 1) - begin, at = begin * c->groups + group * rows;
    return (idf_integer_rows){c->rows.codes + at * c->x_bytes, c->rows.scales + at, c->rows.starts + at, rows};
}

/// The block of 16 features that begins at `column`, from `group` on.
static idf_integer_weight weight_at(const context *c, const idf_linear_job *job, int64_t column, int64_t group) {
    const int64_t bytes = idf_group_bytes(c->format), at = column / IDF_BLOCK_ROWS * c->groups + group;
    return (idf_integer_weight){.codes = (const uint8_t *)job->weight + at * bytes,
                                .scales = (const uint16_t *)job->scales + at * IDF_BLOCK_ROWS,
                                .block_bytes = c->groups * bytes,
                                .block_scales = c->groups * IDF_BLOCK_ROWS};
}

static void finish_rows(const context *c, const idf_linear_job *job, int64_t begin, int64_t end, int64_t column,
                        int64_t columns, const float *product) {
    for (int64_t row = begin; row < end; row++) {
        c->linear->finish(job, c->first_row + row, column, columns, product + (row - begin) * c->block);
    }
}

static void quantize_task(void *argument, int64_t panel, int thread) {
    (void)thread;
    const context *c = argument;
    const idf_integer_rows rows = panel_at(c, panel, 0);
    c->kernels->quantize_x(&rows, c->x + panel_begin(c, panel) * c->ldx, c->ldx, c->k, c->form);
}

// MARK: - Few rows

static void stream_task(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t index = task;
    const idf_linear_job *job = idf_job_of(c->jobs, c->block, &index);
    const int64_t column = index * c->block, columns = idf_min(c->block, job->n - column);
    float *product = idf_scratch(IDF_SCRATCH_TASK, c->m * c->block);
    const int64_t blocks = idf_divide_up(columns, IDF_BLOCK_ROWS);
    // Panels hold as many rows, or one less.
    int64_t together = idf_integer_blocks(c->kernels, idf_divide_up(c->m, c->panels));
    for (int64_t block = 0; block < blocks; block += together) {
        while (together > blocks - block) together /= 2;
        const int64_t j = block * IDF_BLOCK_ROWS;
        const idf_integer_weight weight = weight_at(c, job, column + j, 0);
        for (int64_t panel = 0; panel < c->panels; panel++) {
            const idf_integer_rows rows = panel_at(c, panel, 0);
            float *out = product + panel_begin(c, panel) * c->block + j;
            c->kernels->tile(out, c->block, &weight, &rows, together, c->groups, c->form, 0);
        }
    }
    finish_rows(c, job, 0, c->m, column, columns, product);
}

// MARK: - Many rows

static void tile_task(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const idf_integer_kernels *kernels = c->kernels;
    int64_t index = task / c->row_groups;
    const int64_t group = task % c->row_groups;
    const idf_linear_job *job = idf_job_of(c->jobs, c->block, &index);
    const int64_t column = index * c->block, columns = idf_min(c->block, job->n - column);
    const int64_t blocks = idf_divide_up(columns, IDF_BLOCK_ROWS), block_bytes = c->groups * idf_group_bytes(c->format);
    const int64_t panel_first = c->panels * group / c->row_groups, panel_last = c->panels * (group + 1) / c->row_groups;
    const int64_t row_first = panel_begin(c, panel_first), row_last = panel_begin(c, panel_last);

    const int64_t most = idf_integer_blocks(kernels, idf_divide_up(c->m, c->panels));

    // Products, then unpacked codes.
    float *product = idf_scratch(IDF_SCRATCH_TASK, c->block * (row_last - row_first + DEPTH * IDF_GROUP / 4));
    uint8_t *unpacked = (uint8_t *)(product + c->block * (row_last - row_first));
    const int64_t pieces = idf_divide_up(c->groups, DEPTH);
    for (int64_t piece = 0; piece < pieces; piece++) {
        const int64_t begin = c->groups * piece / pieces, end = c->groups * (piece + 1) / pieces, groups = end - begin;
        if (c->format == IDF_INT4) {
            for (int64_t block = 0; block < blocks; block++) {
                const idf_integer_weight weight = weight_at(c, job, column + block * IDF_BLOCK_ROWS, begin);
                kernels->unpack(unpacked + block * groups * IDF_INT8_GROUP, weight.codes, groups * (IDF_INT4_GROUP / IDF_UNIT));
            }
        }
        idf_upcoming next = {0};
        if (piece + 1 < pieces) {
            next = (idf_upcoming){.first = (const char *)weight_at(c, job, column, end).codes, .row_bytes = block_bytes,
                                  .rows = blocks};
            next.row_lines = idf_group_bytes(c->format) / IDF_LINE * (c->groups * (piece + 2) / pieces - end);
            next.step = idf_divide_up(next.rows * next.row_lines, (panel_last - panel_first) * idf_divide_up(blocks, most));
        }
        for (int64_t panel = panel_first; panel < panel_last; panel++) {
            const idf_integer_rows rows = panel_at(c, panel, begin);
            float *out = product + (panel_begin(c, panel) - row_first) * c->block;
            int64_t together = most;
            for (int64_t block = 0; block < blocks; block += together) {
                while (together > blocks - block) together /= 2;
                idf_prefetch_upcoming(&next);
                idf_integer_weight weight = weight_at(c, job, column + block * IDF_BLOCK_ROWS, begin);
                if (c->format == IDF_INT4) {
                    weight.codes = unpacked + block * groups * IDF_INT8_GROUP;
                    weight.block_bytes = groups * IDF_INT8_GROUP;
                }
                kernels->tile(out + block * IDF_BLOCK_ROWS, c->block, &weight, &rows, together, groups, c->form, piece > 0);
            }
            if (piece + 1 == pieces) {
                finish_rows(c, job, panel_begin(c, panel), panel_begin(c, panel + 1), column, columns, out);
            }
        }
    }
}

// MARK: - All

/// c->m <= CHUNK_ROWS here.
static void integer_chunk(context *c, int64_t count) {
    const idf_integer_kernels *kernels = c->kernels;
    const int few = c->m <= kernels->stream_rows;
    c->form = c->format == IDF_INT8 ? IDF_INTEGER_INT8 : few ? IDF_INTEGER_INT4 : IDF_INTEGER_UNPACKED;
    c->panels = idf_divide_up(c->m, kernels->tile_rows);
    const int64_t parts = c->m * c->groups;
    c->rows.codes = (int8_t *)idf_scratch(IDF_SCRATCH_SHARED, parts * (c->x_bytes / 4 + 2));
    c->rows.scales = (float *)(void *)(c->rows.codes + parts * c->x_bytes);
    c->rows.starts = (int32_t *)(void *)(c->rows.scales + parts);
    if (c->m * c->k <= ALONE) {
        for (int64_t panel = 0; panel < c->panels; panel++) quantize_task(c, panel, 0);
    } else {
        idf_parallel(c->panels, quantize_task, c);
    }

    const int64_t block_bytes = c->groups * idf_group_bytes(c->format);
    const int64_t most = few ? STREAM_BYTES / block_bytes * IDF_BLOCK_ROWS : kernels->block_columns;
    c->block = idf_task_columns(c->jobs, count, IDF_BLOCK_ROWS, idf_max(IDF_BLOCK_ROWS, most));
    const int64_t blocks = idf_block_count(c->jobs, count, c->block);
    if (few) {
        idf_parallel(blocks, stream_task, c);
        return;
    }
    c->row_groups = idf_row_groups(blocks, c->panels);
    idf_parallel(blocks * c->row_groups, tile_task, c);
}

void idf_linear_integer(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k) {
    context c = {.kernels = idf_integer_kernels_current(), .linear = idf_kernels_current()->linear, .jobs = jobs,
                 .format = jobs->dtype, .ldx = ldx, .k = k, .groups = idf_groups(k)};
    if (c.kernels == NULL) {
        for (int64_t i = 0; i < count; i++) idf_linear_integer_reference(&jobs[i], x, ldx, m, k);
        return;
    }
    c.x_bytes = c.format == IDF_INT8 ? 2 * IDF_GROUP : IDF_GROUP;
    const int64_t chunks = idf_divide_up(m, CHUNK_ROWS);
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const int64_t begin = m * chunk / chunks;
        c.first_row = begin;
        c.x = x + begin * ldx;
        c.m = m * (chunk + 1) / chunks - begin;
        integer_chunk(&c, count);
    }
}
