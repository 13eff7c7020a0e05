// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "../gradients.h"
#include "reference.h"

const idf_kernels idf_kernels_reference = {
    .linear = NULL,
    .attention = NULL,
    .formats = &idf_formats_reference,
    .rms_norm = idf_rms_norm_reference,
    .layer_norm = idf_layer_norm_reference,
    .rotate = idf_rotate_reference,
    .swiglu = idf_swiglu_reference,
    .activate = idf_activate_reference,
    .add = idf_add_reference,
    .to_f32 = idf_to_f32_reference,
    .from_f32 = idf_from_f32_reference,
    .argmax = idf_argmax_reference,
    .log_softmax = idf_log_softmax_reference,
    .limit_read = idf_limit_read_reference,
    .limit_fma = idf_limit_fma_reference,
    .gradients = &idf_gradients_reference,
};
