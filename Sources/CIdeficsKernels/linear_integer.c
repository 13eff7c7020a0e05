// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "kernels.h"

void idf_linear_integer(const idf_linear_job *jobs, int64_t count, const float *x, int64_t ldx, int64_t m, int64_t k) {
    for (int64_t i = 0; i < count; i++) idf_linear_integer_reference(&jobs[i], x, ldx, m, k);
}
