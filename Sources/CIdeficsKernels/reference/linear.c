// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

typedef struct context {
    const idf_linear_job *job;
    const float *x;
    int64_t ldx, m, k;
} context;

static void column(void *argument, int64_t j, int thread) {
    (void)thread;
    const context *context = argument;
    const idf_linear_job *job = context->job;
    const char *weight = (const char *)job->weight + (size_t)(j * context->k) * idf_dtype_size(job->dtype);
    for (int64_t i = 0; i < context->m; i++) {
        double sum = 0;
        for (int64_t l = 0; l < context->k; l++) {
            sum += (double)context->x[i * context->ldx + l] * idf_element_reference(weight, job->dtype, l);
        }
        if (job->bias != NULL) sum += job->bias[j];
        float value = idf_activation_reference((float)sum, job->activation);
        if (job->scale != NULL) value *= job->scale[job->scale_count == 1 ? 0 : j];
        if (job->residual != NULL) value += job->residual[i * job->ldy + j];
        job->y[i * job->ldy + j] = value;
    }
}

void idf_linear_reference(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k) {
    for (int64_t i = 0; i < count; i++) {
        context context = {&jobs[i], x, ldx, m, k};
        idf_parallel(jobs[i].n, column, &context);
    }
}
