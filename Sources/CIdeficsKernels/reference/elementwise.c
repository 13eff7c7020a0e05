// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

float idf_activation_reference(float x, idf_activation activation) {
    switch (activation) {
    case IDF_ACT_RELU: return 0 > x ? 0 : x; // NaN stays
    case IDF_ACT_GELU: return (float)(0.5 * x * erfc(-x * M_SQRT1_2));
    case IDF_ACT_SILU: return (float)(x / (1 + exp(-(double)x)));
    case IDF_ACT_QUICK_GELU: return (float)(x / (1 + exp(-1.702 * (double)x)));
    case IDF_ACT_NONE: break;
    }
    return x;
}

void idf_activate_reference(float *y, const float *x, idf_activation activation, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = idf_activation_reference(x[i], activation);
}

void idf_swiglu_reference(float *y, const float *gate, const float *up, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = idf_activation_reference(gate[i], IDF_ACT_SILU) * up[i];
}

void idf_add_reference(float *y, const float *a, const float *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}
