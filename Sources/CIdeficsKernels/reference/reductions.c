// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

int64_t idf_argmax_reference(const float *x, int64_t n) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++) {
        if (x[i] == x[i] && (best < 0 || x[i] > x[best])) best = i;
    }
    return best;
}

void idf_log_softmax_reference(float *y, const float *x, int64_t n) {
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    for (int64_t i = 0; i < n; i++) sum += exp(x[i] - largest);
    const double logarithm = log(sum);
    for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] - largest - logarithm);
}
