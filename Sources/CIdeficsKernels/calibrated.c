// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Rounding with calibration data: the factorization, and weights block by block.

#include "kernels.h"

static const int64_t PANEL = 64; ///< rows that are finished before the rest is updated
static const int64_t TASK_ROWS = 16;

typedef struct context {
    const idf_calibration_kernels *kernels;
    const idf_calibrated_weight *job;
    uint8_t *codes;
    uint16_t *scales;
    double *matrix;
    int64_t n, k, first, end;
} context;

// MARK: - Factorization

static void eliminate(void *argument, int64_t task, int thread) {
    (void)thread;
    const context *c = argument;
    // Long rows first.
    const int64_t last = c->first - task * TASK_ROWS, row = idf_max(0, last - TASK_ROWS);
    c->kernels->eliminate(c->matrix, c->k, c->first, c->end, row, last - row);
}

/// Rows first..<end, the last first; 0 when a pivot is not positive.
static int finish_panel(const context *c) {
    for (int64_t j = c->end - 1; j >= c->first; j--) {
        double *row = c->matrix + j * c->k;
        const double pivot = row[j];
        if (!(pivot > 0) || !isfinite(pivot)) return 0;
        for (int64_t i = 0; i < j; i++) row[i] /= pivot;
        if (j > c->first) c->kernels->eliminate(c->matrix, c->k, j, j + 1, c->first, j - c->first);
    }
    return 1;
}

int idf_factor_hessian(double *factor, float *hessian, int64_t k, double damping) {
    double trace = 0;
    for (int64_t i = 0; i < k; i++) trace += hessian[i * k + i];
    if (!isfinite(trace)) return 0;
    const float added = (float)(trace > 0 ? damping * trace / (double)k : 1);
    for (int64_t i = 0; i < k; i++) hessian[i * k + i] += added;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j <= i; j++) factor[i * k + j] = hessian[i * k + j];
    }
    context c = {.kernels = idf_kernels_current()->calibration, .matrix = factor, .k = k};
    for (c.end = k; c.end > 0; c.end = c.first) {
        c.first = (c.end - 1) / PANEL * PANEL;
        if (!finish_panel(&c)) return 0;
        idf_parallel(idf_divide_up(c.first, TASK_ROWS), eliminate, &c);
    }
    // In place: a float never overtakes the double it comes from.
    float *out = (float *)(void *)factor;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++) {
            double value = 0;
            if (j <= i) memcpy(&value, factor + i * k + j, sizeof value);
            const float rounded = (float)value;
            memcpy(out + i * k + j, &rounded, sizeof rounded);
        }
    }
    return 1;
}

// MARK: - Weights

static void quantize_block(void *argument, int64_t block, int thread) {
    (void)thread;
    const context *c = argument;
    const int64_t groups = idf_groups(c->k), row = block * IDF_BLOCK_ROWS;
    c->kernels->quantize(c->codes + block * groups * idf_group_bytes(c->job->format),
                         c->scales + block * groups * IDF_BLOCK_ROWS, c->job, row, idf_min(IDF_BLOCK_ROWS, c->n - row),
                         idf_scratch(IDF_SCRATCH_TASK, c->kernels->scratch(c->k)));
}

void idf_quantize_calibrated(void *codes, void *scales, const idf_calibrated_weight *weight, int64_t n) {
    if (n <= 0 || weight->k <= 0) return;
    context c = {.kernels = idf_kernels_current()->calibration, .job = weight, .codes = codes, .scales = scales, .n = n,
                 .k = weight->k};
    idf_parallel(idf_divide_up(n, IDF_BLOCK_ROWS), quantize_block, &c);
}
