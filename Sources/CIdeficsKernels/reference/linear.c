// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

typedef struct context {
    const idf_linear_job *job;
    const float *x;
    int64_t ldx, m, k;
    const int16_t *codes;    ///< integer products: x quantized, [m][groups][64]
    const float *x_scales;   ///< [m][groups]
} context;

static void finish(const idf_linear_job *job, int64_t i, int64_t j, double sum) {
    if (job->bias != NULL) sum += job->bias[j];
    float value = idf_activation_reference((float)sum, job->activation);
    if (job->scale != NULL) value *= job->scale[job->scale_count == 1 ? 0 : j];
    if (job->residual != NULL) value += job->residual[i * job->ldy + j];
    job->y[i * job->ldy + j] = value;
}

// MARK: - Floats

static float weight_at(const idf_linear_job *job, int64_t k, int64_t j, int64_t l) {
    if (!idf_is_quantized(job->dtype)) return idf_element_reference(job->weight, job->dtype, j * k + l);
    float value;
    if (job->dtype == IDF_NF4) {
        idf_formats_reference.dequantize_nf4(&value, job->weight, job->scales, j * k + l, 1);
        return value;
    }
    const int64_t group = j / IDF_BLOCK_ROWS * idf_groups(k) + l / IDF_GROUP, r = j % IDF_BLOCK_ROWS;
    const uint8_t *codes = (const uint8_t *)job->weight + group * idf_group_bytes(job->dtype);
    const float scale = idf_f32_of_bf16(((const uint16_t *)job->scales)[group * IDF_BLOCK_ROWS + r]);
    return (float)idf_code(codes, job->dtype, r, l % IDF_GROUP) * scale;
}

static void column(void *argument, int64_t j, int thread) {
    (void)thread;
    const context *context = argument;
    float *weight = idf_scratch(IDF_SCRATCH_TASK, context->k);
    for (int64_t l = 0; l < context->k; l++) weight[l] = idf_round_reference(weight_at(context->job, context->k, j, l), context->job->bf16);
    for (int64_t i = 0; i < context->m; i++) {
        double sum = 0;
        for (int64_t l = 0; l < context->k; l++) {
            sum += (double)idf_round_reference(context->x[i * context->ldx + l], context->job->bf16) * weight[l];
        }
        finish(context->job, i, j, sum);
    }
}

// MARK: - Integers

/// Codes and scale of up to 64 steps of a row of x; the codes of missing steps are 0.
static void quantize_group(int16_t *codes, float *scale, const float *x, int64_t count, idf_dtype format) {
    const float most = format == IDF_INT8 ? 32512 : 127;
    float largest = 0;
    int is_finite = 1;
    for (int64_t l = 0; l < count; l++) {
        largest = fmaxf(largest, fabsf(x[l]));
        is_finite = is_finite && isfinite(x[l]);
    }
    const int is_zero = !is_finite || largest < 0x1p-100f;
    *scale = !is_finite ? NAN : is_zero ? 0 : largest / most;
    for (int64_t l = 0; l < IDF_GROUP; l++) codes[l] = l >= count || is_zero ? 0 : (int16_t)rintf(x[l] * (most / largest));
}

static void integer_column(void *argument, int64_t j, int thread) {
    (void)thread;
    const context *context = argument;
    const idf_linear_job *job = context->job;
    const int64_t groups = idf_groups(context->k), r = j % IDF_BLOCK_ROWS;
    for (int64_t i = 0; i < context->m; i++) {
        float product = 0;
        for (int64_t g = 0; g < groups; g++) {
            const int64_t group = j / IDF_BLOCK_ROWS * groups + g;
            const uint8_t *codes = (const uint8_t *)job->weight + group * idf_group_bytes(job->dtype);
            int32_t sum = 0;
            for (int64_t l = 0; l < IDF_GROUP; l++) {
                sum += context->codes[(i * groups + g) * IDF_GROUP + l] * idf_code(codes, job->dtype, r, l);
            }
            const float scale = idf_f32_of_bf16(((const uint16_t *)job->scales)[group * IDF_BLOCK_ROWS + r]);
            product = fmaf((float)sum, scale * context->x_scales[i * groups + g], product);
        }
        finish(job, i, j, product);
    }
}

void idf_linear_integer_reference(const idf_linear_job *job, const float *x, int64_t ldx, int64_t m, int64_t k) {
    if (job->n <= 0) return; // then x may not be there
    const int64_t groups = idf_groups(k);
    float *scales = idf_scratch(IDF_SCRATCH_SHARED, m * groups * (1 + IDF_GROUP / 2));
    int16_t *codes = (int16_t *)(void *)(scales + m * groups);
    for (int64_t i = 0; i < m * groups; i++) {
        const int64_t g = i % groups, count = idf_min(IDF_GROUP, k - g * IDF_GROUP);
        quantize_group(codes + i * IDF_GROUP, scales + i, x + i / groups * ldx + g * IDF_GROUP, count, job->dtype);
    }
    context context = {.job = job, .x = x, .ldx = ldx, .m = m, .k = k, .codes = codes, .x_scales = scales};
    idf_parallel(job->n, integer_column, &context);
}

void idf_linear_reference(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k) {
    for (int64_t i = 0; i < count; i++) {
        const idf_linear_job *job = &jobs[i];
        if ((job->dtype == IDF_INT8 || job->dtype == IDF_INT4) && !job->exact && !job->bf16) {
            idf_linear_integer_reference(job, x, ldx, m, k);
            continue;
        }
        context context = {.job = job, .x = x, .ldx = ldx, .m = m, .k = k};
        idf_parallel(job->n, column, &context);
    }
}
