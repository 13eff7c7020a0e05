// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Few rows of x: the weight streams past them once. Many rows: x is packed once into panels of tile_rows, weight blocks
// are packed by the task that uses them, and tiles of sums stay in registers. How the work is cut over threads never
// changes a result: every sum runs over k in the same order, in pieces that depend on k alone.

#include "linear.h"

enum {
    DEPTH = 512,       ///< steps of k between visits to the product: a panel of x stays in the L1 cache
    CHUNK_ROWS = 512,  ///< rows of x packed at a time
    STREAM_BYTES = 1 << 19, ///< weight bytes of a streaming task, so that page walks and prefetchers warm up
    NF4_ROWS = 4,      ///< rows of an NF4 weight that become floats at a time: 4 × 11008 floats stay in the L2 cache
};

typedef struct context {
    const idf_linear_kernels *kernels;
    const idf_bf16_kernels *bf16; ///< values are rounded; NULL: as they are
    const idf_linear_job *jobs;
    const float *x;
    int64_t ldx, m, k;
    int quantized;             ///< a job has quantized weights
    float *split;              ///< x as stream_nf4 reads it, if a job wants it so
    int64_t first_row;         ///< of the jobs' rows, where this chunk of x begins
    int64_t depth;             ///< at most DEPTH, the same for every piece of k but the last
    int64_t block;             ///< output features of a task
    int64_t row_groups, panels; ///< tasks that share a block; panels of x
    float *packed;             ///< [k pieces][panels][steps][rows of the panel]
} context;

static int64_t panel_begin(const context *c, int64_t p) { return idf_panel_begin(c->m, c->panels, p); }

static void finish_rows(const context *c, const idf_linear_job *job, int64_t begin, int64_t end, int64_t column,
                        int64_t columns, const float *product, int64_t ld) {
    for (int64_t row = begin; row < end; row++) {
        c->kernels->finish(job, c->first_row + row, column, columns, product + (row - begin) * ld);
    }
}

// MARK: - Few rows

/// NF4 that may apply a scale to the sum of its group, not to each weight.
static int is_summed(const context *c, const idf_linear_job *job) {
    return job->dtype == IDF_NF4 && !job->exact && c->k % IDF_GROUP == 0;
}

/// Quantized weights: a few rows become floats that stay in the cache. Columns do not influence each other, so the sums
/// are those of a weight of floats.
static void stream_quantized(const context *c, const idf_linear_job *job, int64_t column, int64_t columns, float *product) {
    if (job->dtype == IDF_NF4 && c->k % IDF_GROUP == 0) {
        const uint8_t *codes = (const uint8_t *)job->weight + column * c->k / 2;
        const float *absmax = (const float *)job->scales + column * c->k / IDF_GROUP;
        if (is_summed(c, job)) {
            c->kernels->stream_nf4(product, c->block, codes, absmax, columns, c->split, c->m, c->k);
        } else {
            c->kernels->stream(product, c->block, codes, absmax, IDF_NF4, columns, c->x, c->ldx, c->m, c->k);
        }
        return;
    }
    const idf_format_kernels *formats = idf_kernels_current()->formats;
    float *values = product + c->m * c->block;
    const int64_t most = job->dtype == IDF_NF4 ? NF4_ROWS : IDF_BLOCK_ROWS;
    for (int64_t j = 0; j < columns; j += most) {
        const int64_t rows = idf_min(most, columns - j);
        idf_dequantize_rows(formats, values, job->weight, job->scales, job->dtype, column + j, rows, c->k);
        c->kernels->stream(product + j, c->block, values, NULL, IDF_F32, rows, c->x, c->ldx, c->m, c->k);
    }
}

static void stream_task(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    int64_t index = task;
    const idf_linear_job *job = idf_job_of(c->jobs, c->block, &index);
    const int64_t column = index * c->block, columns = idf_min(c->block, job->n - column);
    // Behind the product, the values of quantized rows.
    float *product = idf_scratch(IDF_SCRATCH_TASK, c->m * c->block + (c->quantized ? IDF_BLOCK_ROWS * c->k : 0));
    if (idf_is_quantized(job->dtype)) {
        stream_quantized(c, job, column, columns, product);
    } else {
        const char *weight = (const char *)job->weight + (size_t)(column * c->k) * idf_dtype_size(job->dtype);
        c->kernels->stream(product, c->block, weight, NULL, job->dtype, columns, c->x, c->ldx, c->m, c->k);
    }
    finish_rows(c, job, 0, c->m, column, columns, product, c->block);
}

// MARK: - Many rows

static void pack_task(void *argument, int64_t panel, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t begin = panel_begin(c, panel), rows = panel_begin(c, panel + 1) - begin;
    for (int64_t step = 0; step < c->k; step += c->depth) {
        const int64_t steps = idf_min(c->depth, c->k - step);
        float *panel = c->packed + step * c->m + begin * steps;
        c->kernels->pack_x(panel, c->x + begin * c->ldx + step, c->ldx, rows, steps);
        if (c->bf16 != NULL) c->bf16->round(panel, rows, steps);
    }
}

/// `steps` steps of the features of a tile, from `column` and `step` on.
static void pack_weight(const context *c, float *out, const idf_linear_job *job, int64_t column, int64_t step, int64_t steps) {
    const int64_t width = c->kernels->tile_columns, rows = idf_min(width, job->n - column);
    if (idf_is_quantized(job->dtype)) {
        c->kernels->pack_quantized(out, job, c->k, column, step, steps);
    } else {
        const char *weight = (const char *)job->weight + (size_t)(column * c->k + step) * idf_dtype_size(job->dtype);
        if (c->bf16 != NULL && c->bf16->pack_weight != NULL && job->dtype == IDF_BF16) {
            c->bf16->pack_weight(out, (const uint16_t *)(const void *)weight, c->k, rows, steps);
            return;
        }
        c->kernels->pack_weight(out, weight, job->dtype, c->k, rows, steps);
    }
    if (c->bf16 != NULL) c->bf16->round(out, width, steps);
}

static void tile_task(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const idf_linear_kernels *kernels = c->kernels;
    int64_t index = task / c->row_groups;
    const int64_t group = task % c->row_groups;
    const idf_linear_job *job = idf_job_of(c->jobs, c->block, &index);
    const int64_t column = index * c->block, columns = idf_min(c->block, job->n - column);
    const int64_t panel_first = c->panels * group / c->row_groups, panel_last = c->panels * (group + 1) / c->row_groups;
    const int64_t row_first = panel_begin(c, panel_first), row_last = panel_begin(c, panel_last);
    void (*const tile)(float *, int64_t, const float *, const float *, int64_t, int64_t, int) =
        c->bf16 != NULL ? c->bf16->tile : kernels->tile;

    float *weights = idf_scratch(IDF_SCRATCH_TASK, c->block * (c->depth + row_last - row_first));
    float *product = weights + c->block * c->depth;
    for (int64_t step = 0; step < c->k; step += c->depth) {
        const int64_t steps = idf_min(c->depth, c->k - step);
        for (int64_t j = 0; j < columns; j += kernels->tile_columns) {
            pack_weight(c, weights + j * steps, job, column + j, step, steps);
        }
        const int64_t visits = (panel_last - panel_first) * idf_divide_up(columns, kernels->tile_columns);
        idf_upcoming next = {0};
        if (step + steps < c->k) {
            const int64_t upcoming = idf_min(c->depth, c->k - step - steps);
            next = idf_upcoming_part(job->weight, job->dtype, c->k, column, columns, step + steps, upcoming, visits);
        }
        for (int64_t panel = panel_first; panel < panel_last; panel++) {
            const int64_t begin = panel_begin(c, panel), rows = panel_begin(c, panel + 1) - begin;
            float *out = product + (begin - row_first) * c->block;
            for (int64_t j = 0; j < columns; j += kernels->tile_columns) {
                idf_prefetch_upcoming(&next);
                tile(out + j, c->block, c->packed + step * c->m + begin * steps, weights + j * steps, rows, steps, step > 0);
            }
            if (step + steps == c->k) finish_rows(c, job, begin, begin + rows, column, columns, out, c->block);
        }
    }
}

static void linear_stream(context *c, int64_t count) {
    int split = 0;
    for (int64_t i = 0; i < count; i++) {
        c->quantized |= idf_is_quantized(c->jobs[i].dtype);
        split |= is_summed(c, &c->jobs[i]);
    }
    if (split) {
        c->split = idf_scratch(IDF_SCRATCH_SHARED, c->m * c->k);
        c->kernels->split_x(c->split, c->x, c->ldx, c->m, c->k);
    }
    const int64_t element = (int64_t)idf_dtype_size(c->jobs[0].dtype);
    c->block = idf_task_columns(c->jobs, count, 16, idf_max(16, STREAM_BYTES / (c->k * element)));
    idf_parallel(idf_block_count(c->jobs, count, c->block), stream_task, c);
}

/// c->m <= CHUNK_ROWS here.
static void linear_tiles(context *c, int64_t count) {
    const idf_linear_kernels *kernels = c->kernels;
    c->depth = idf_divide_up(idf_divide_up(c->k, idf_divide_up(c->k, DEPTH)), 32) * 32;
    c->panels = idf_divide_up(c->m, kernels->tile_rows);
    c->packed = idf_scratch(IDF_SCRATCH_SHARED, c->m * c->k);
    idf_parallel(c->panels, pack_task, c);

    c->block = idf_task_columns(c->jobs, count, kernels->tile_columns, kernels->block_columns);
    const int64_t blocks = idf_block_count(c->jobs, count, c->block);
    c->row_groups = idf_row_groups(blocks, c->panels);
    idf_parallel(blocks * c->row_groups, tile_task, c);
}

/// The jobs that want x as floats, or rounded to bf16.
static void linear_floats(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k) {
    const idf_linear_kernels *kernels = idf_kernels_current()->linear;
    context c = {.kernels = kernels, .jobs = jobs, .x = x, .ldx = ldx, .m = m, .k = k};
    if (jobs->bf16) c.bf16 = idf_bf16_kernels_current();
    if (m <= kernels->stream_rows && c.bf16 == NULL) {
        linear_stream(&c, count);
        return;
    }
    const int64_t chunks = idf_divide_up(m, CHUNK_ROWS);
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const int64_t begin = m * chunk / chunks;
        c.first_row = begin;
        c.x = x + begin * ldx;
        c.m = m * (chunk + 1) / chunks - begin;
        linear_tiles(&c, count);
    }
}

/// How a job wants x: IDF_F32, IDF_BF16, or the format whose integer products it takes.
static idf_dtype wanted_rows(const idf_linear_job *job) {
    if (job->bf16) return IDF_BF16;
    const int is_integer = (job->dtype == IDF_INT8 || job->dtype == IDF_INT4) && !job->exact;
    return is_integer ? job->dtype : IDF_F32;
}

void idf_linear(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k) {
    if (m <= 0) return;
    if (idf_kernels_current()->linear == NULL || k <= 0) {
        idf_linear_reference(jobs, count, x, ldx, m, k);
        return;
    }
    int64_t begin = 0;
    while (begin < count) {
        const idf_dtype wanted = wanted_rows(&jobs[begin]);
        int64_t end = begin, features = 0;
        for (; end < count && wanted_rows(&jobs[end]) == wanted; end++) features += jobs[end].n;
        if (features > 0 && !idf_is_quantized(wanted)) linear_floats(jobs + begin, end - begin, x, ldx, m, k);
        if (features > 0 && idf_is_quantized(wanted)) idf_linear_integer(jobs + begin, end - begin, x, ldx, m, k);
        begin = end;
    }
}
