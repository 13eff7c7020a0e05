// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

void idf_rms_norm_reference(float *y, const float *x, const float *weight, float eps, int64_t rows, int64_t n) {
    for (int64_t row = 0; row < rows; row++, x += n, y += n) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
        const float factor = (float)(1 / sqrt(sum / (double)n + eps));
        for (int64_t i = 0; i < n; i++) y[i] = weight[i] * (x[i] * factor);
    }
}

void idf_layer_norm_reference(float *y, const float *x, const float *weight, const float *bias, float eps, int64_t rows,
                              int64_t n) {
    for (int64_t row = 0; row < rows; row++, x += n, y += n) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++) sum += x[i];
        const double mean = sum / (double)n;
        for (int64_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
        const double factor = 1 / sqrt(squares / (double)n + eps);
        for (int64_t i = 0; i < n; i++) {
            y[i] = (float)((x[i] - mean) * factor * weight[i] + (bias != NULL ? bias[i] : 0));
        }
    }
}

void idf_rotate_reference(float *x, const float *cosine, const float *sine, int64_t heads, int64_t head_dim) {
    const int64_t half = head_dim / 2;
    for (int64_t head = 0; head < heads; head++, x += head_dim) {
        for (int64_t j = 0; j < half; j++) {
            const float first = x[j], second = x[j + half];
            x[j] = first * cosine[j] - second * sine[j];
            x[j + half] = second * cosine[j] + first * sine[j];
        }
    }
}
