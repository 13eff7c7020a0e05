// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// The two products behind a linear layer, on the tile of the forward product. Both are C = A · B with B read in its own
// rows: dx = dy · W (steps are output features, whose weights become floats a block at a time) and dW = dyᵀ · x (steps
// are rows). Sums run over the steps in pieces that depend on sizes alone, so threads never change a result.

#include "gradients.h"
#include "linear.h"

enum {
    DEPTH = 512,      ///< steps between visits to the product; a multiple of the rows of an interleaved block
    CHUNK_ROWS = 512, ///< rows of A packed at a time
    UNIT = 64,        ///< columns of a task are a multiple of this: whole groups, whole tiles
};

/// A pair of A and B whose product is added.
typedef struct factor {
    const float *a;
    int64_t lda;
    const void *b; ///< [steps, columns], rows ldb apart
    idf_dtype dtype;
    const void *scales;
    int64_t ldb, steps;
} factor;

typedef struct context {
    const idf_linear_kernels *kernels;
    const idf_kernels *all;
    const idf_bf16_kernels *bf16; ///< values are rounded; NULL: as they are
    const factor *factors;
    int64_t count, rows, columns, steps; ///< steps of all factors
    int transposed;                      ///< A lies as [steps, rows]
    int accumulate;
    float *out; ///< [rows, columns]
    int64_t block, panels, row_groups;
    float *packed; ///< [factors][pieces][panels][steps][rows of the panel]
} context;

static int64_t panel_begin(const context *c, int64_t p) { return idf_panel_begin(c->rows, c->panels, p); }

// MARK: - Packing

static void pack_panel(const context *c, const factor *f, float *out, int64_t begin, int64_t rows, int64_t step, int64_t steps) {
    if (!c->transposed) {
        c->kernels->pack_x(out, f->a + begin * f->lda + step, f->lda, rows, steps);
        return;
    }
    const float *a = f->a + step * f->lda + begin;
    for (int64_t l = 0; l < steps; l++) memcpy(out + l * rows, a + l * f->lda, (size_t)rows * sizeof(float));
}

static void pack_task(void *argument, int64_t panel, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t begin = panel_begin(c, panel), rows = panel_begin(c, panel + 1) - begin;
    float *packed = c->packed;
    for (int64_t i = 0; i < c->count; i++) {
        const factor *f = &c->factors[i];
        for (int64_t step = 0; step < f->steps; step += DEPTH) {
            const int64_t steps = idf_min(DEPTH, f->steps - step);
            pack_panel(c, f, packed + begin * steps, begin, rows, step, steps);
            if (c->bf16 != NULL) c->bf16->round(packed + begin * steps, rows, steps);
            packed += c->rows * steps;
        }
    }
}

/// out [tile][steps][tile_columns] = steps step..<step + steps, columns column..<column + columns of B.
static void pack_floats(const context *c, const factor *f, float *out, float *values, int64_t column, int64_t columns,
                       int64_t step, int64_t steps) {
    const idf_gradient_kernels *gradients = c->all->gradients;
    if (!idf_is_quantized(f->dtype)) {
        const char *b = (const char *)f->b + (size_t)(step * f->ldb + column) * idf_dtype_size(f->dtype);
        gradients->pack_steps(out, b, f->dtype, f->ldb, steps, columns);
        return;
    }
    const idf_format_kernels *formats = c->all->formats;
    if (f->dtype == IDF_NF4) {
        for (int64_t l = 0; l < steps; l++) {
            formats->dequantize_nf4(values + l * c->block, f->b, f->scales, (step + l) * f->ldb + column, columns);
        }
    } else {
        const int64_t groups = idf_groups(f->ldb);
        for (int64_t l = 0; l < steps; l += IDF_BLOCK_ROWS) {
            const int64_t group = (step + l) / IDF_BLOCK_ROWS * groups + column / IDF_GROUP;
            formats->dequantize(values + l * c->block, c->block, (const uint8_t *)f->b + group * idf_group_bytes(f->dtype),
                                (const uint16_t *)f->scales + group * IDF_BLOCK_ROWS, f->dtype,
                                idf_min(IDF_BLOCK_ROWS, steps - l), columns);
        }
    }
    gradients->pack_steps(out, values, IDF_F32, c->block, steps, columns);
}

/// As pack_floats, rounded where values are to be.
static void pack_block(const context *c, const factor *f, float *out, float *values, int64_t column, int64_t columns,
                       int64_t step, int64_t steps) {
    const int64_t width = c->kernels->tile_columns;
    if (c->bf16 == NULL) {
        pack_floats(c, f, out, values, column, columns, step, steps);
    } else if (c->bf16->pack_steps != NULL && f->dtype == IDF_BF16) {
        // Tiles lie as far apart as they would as floats.
        for (int64_t j = 0; j < columns; j += width) {
            c->bf16->pack_steps(out + j * steps, (const uint16_t *)f->b + step * f->ldb + column + j, f->ldb, steps,
                                idf_min(width, columns - j));
        }
    } else {
        pack_floats(c, f, out, values, column, columns, step, steps);
        for (int64_t j = 0; j < columns; j += width) c->bf16->round(out + j * steps, width, steps);
    }
}

// MARK: - Tiles

static void write_rows(const context *c, const float *product, int64_t begin, int64_t end, int64_t column, int64_t columns) {
    for (int64_t row = begin; row < end; row++, product += c->block) {
        float *out = c->out + row * c->columns + column;
        if (c->accumulate) {
            c->all->add(out, out, product, columns);
        } else {
            memcpy(out, product, (size_t)columns * sizeof(float));
        }
    }
}

static void tile_task(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t width = c->kernels->tile_columns, group = task % c->row_groups;
    const int64_t column = task / c->row_groups * c->block, columns = idf_min(c->block, c->columns - column);
    const int64_t first = c->panels * group / c->row_groups, last = c->panels * (group + 1) / c->row_groups;
    const int64_t row_first = panel_begin(c, first), row_last = panel_begin(c, last);

    float *block = idf_scratch(IDF_SCRATCH_TASK, c->block * (2 * DEPTH + row_last - row_first));
    float *values = block + c->block * DEPTH, *product = values + c->block * DEPTH;
    const float *packed = c->packed;
    void (*const tile)(float *, int64_t, const float *, const float *, int64_t, int64_t, int) =
        c->bf16 != NULL ? c->bf16->tile : c->kernels->tile;
    int accumulate = 0;
    for (int64_t i = 0; i < c->count; i++) {
        const factor *f = &c->factors[i];
        for (int64_t step = 0; step < f->steps; step += DEPTH) {
            const int64_t steps = idf_min(DEPTH, f->steps - step);
            pack_block(c, f, block, values, column, columns, step, steps);
            idf_upcoming next = {0};
            if (step + steps < f->steps) {
                const int64_t upcoming = idf_min(DEPTH, f->steps - step - steps);
                const int64_t visits = (last - first) * idf_divide_up(columns, width);
                next = idf_upcoming_part(f->b, f->dtype, f->ldb, step + steps, upcoming, column, columns, visits);
            }
            for (int64_t panel = first; panel < last; panel++) {
                const int64_t begin = panel_begin(c, panel), rows = panel_begin(c, panel + 1) - begin;
                for (int64_t j = 0; j < columns; j += width) {
                    idf_prefetch_upcoming(&next);
                    tile(product + (begin - row_first) * c->block + j, c->block, packed + begin * steps,
                                     block + j * steps, rows, steps, accumulate);
                }
            }
            packed += c->rows * steps;
            accumulate = 1;
        }
    }
    write_rows(c, product, row_first, row_last, column, columns);
}

/// Columns of a task: few enough that all threads have some, at most what stays in the cache.
static int64_t block_columns(const context *c) {
    const idf_linear_job job = {.n = c->columns};
    return idf_task_columns(&job, 1, UNIT, idf_max(UNIT, c->kernels->block_columns));
}

static void multiply(context *c) {
    c->panels = idf_divide_up(c->rows, c->kernels->tile_rows);
    c->packed = idf_scratch(IDF_SCRATCH_SHARED, c->rows * c->steps);
    idf_parallel(c->panels, pack_task, c);
    c->block = block_columns(c);
    const int64_t blocks = idf_divide_up(c->columns, c->block);
    c->row_groups = idf_row_groups(blocks, c->panels);
    idf_parallel(blocks * c->row_groups, tile_task, c);
}

// MARK: - Public

void idf_linear_backward_input(float *dx, const idf_linear_gradient *products, int64_t count, int64_t m, int64_t k, int bf16) {
    if (m <= 0 || k <= 0) return;
    const idf_kernels *all = idf_kernels_current();
    if (all->linear == NULL) {
        idf_linear_backward_input_reference(dx, products, count, m, k, bf16);
        return;
    }
    enum { FACTORS = 8 };
    int64_t done = 0;
    while (done < count || done == 0) {
        factor factors[FACTORS];
        context c = {.kernels = all->linear, .all = all, .factors = factors, .columns = k, .accumulate = done > 0};
        if (bf16) c.bf16 = idf_bf16_kernels_current();
        for (; done < count && c.count < FACTORS; done++) {
            const idf_linear_gradient *p = &products[done];
            if (p->n <= 0) continue;
            factors[c.count++] = (factor){p->dy, p->lddy, p->weight, p->dtype, p->scales, k, p->n};
            c.steps += p->n;
        }
        if (c.count == 0) {
            if (!c.accumulate) memset(dx, 0, (size_t)(m * k) * sizeof(float));
            return;
        }
        const int64_t chunks = idf_divide_up(m, CHUNK_ROWS);
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            const int64_t begin = m * chunk / chunks;
            c.rows = m * (chunk + 1) / chunks - begin;
            c.out = dx + begin * k;
            multiply(&c);
            for (int64_t i = 0; i < c.count; i++) factors[i].a += c.rows * factors[i].lda;
        }
    }
}

void idf_linear_backward_weight(float *dweight, const float *dy, int64_t lddy, const void *x, idf_dtype dtype, int64_t ldx,
                                int64_t m, int64_t n, int64_t k, int accumulate, int bf16) {
    if (n <= 0 || k <= 0) return;
    if (m <= 0) {
        if (!accumulate) memset(dweight, 0, (size_t)(n * k) * sizeof(float));
        return;
    }
    const idf_kernels *all = idf_kernels_current();
    if (all->linear == NULL) {
        idf_linear_backward_weight_reference(dweight, dy, lddy, x, dtype, ldx, m, n, k, accumulate, bf16);
        return;
    }
    factor f = {dy, lddy, x, dtype, NULL, ldx, m};
    context c = {.kernels = all->linear, .all = all, .factors = &f, .count = 1, .columns = k, .steps = m};
    if (bf16) c.bf16 = idf_bf16_kernels_current();
    c.transposed = 1;
    c.accumulate = accumulate;
    const int64_t chunks = idf_divide_up(n, CHUNK_ROWS);
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        const int64_t begin = n * chunk / chunks;
        c.rows = n * (chunk + 1) / chunks - begin;
        c.out = dweight + begin * k;
        f.a = dy + begin;
        multiply(&c);
    }
}
