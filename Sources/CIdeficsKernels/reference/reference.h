// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// The plain loops that define each operation. They favour clarity and accuracy: sums are f64.

#pragma once

#include "../kernels.h"

#pragma clang assume_nonnull begin

extern const idf_format_kernels idf_formats_reference;
extern const idf_calibration_kernels idf_calibration_reference;

float idf_activation_reference(float x, idf_activation activation);
/// Element i of an array of `dtype`.
float idf_element_reference(const void *x, idf_dtype dtype, int64_t i);
/// x as the nearest bf16, if `bf16`.
float idf_round_reference(float x, int bf16);

void idf_rms_norm_reference(float *y, const float *x, const float *weight, float eps, int64_t rows, int64_t n);
void idf_layer_norm_reference(float *y, const float *x, const float *weight, const float *_Nullable bias, float eps,
                              int64_t rows, int64_t n);
void idf_rotate_reference(float *x, const float *cosine, const float *sine, int64_t heads, int64_t head_dim);
void idf_swiglu_reference(float *y, const float *gate, const float *up, int64_t n);
void idf_activate_reference(float *y, const float *x, idf_activation activation, int64_t n);
void idf_add_reference(float *y, const float *a, const float *b, int64_t n);
void idf_to_f32_reference(float *y, const void *x, idf_dtype dtype, int64_t n);
void idf_from_f32_reference(void *y, const float *x, idf_dtype dtype, int64_t n);
int64_t idf_argmax_reference(const float *x, int64_t n);
void idf_log_softmax_reference(float *y, const float *x, int64_t n);
uint64_t idf_limit_read_reference(const void *p, size_t bytes);
double idf_limit_fma_reference(int64_t iterations);

#pragma clang assume_nonnull end
