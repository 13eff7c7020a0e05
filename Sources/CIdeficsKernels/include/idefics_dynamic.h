// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Floats in 8 bits each and one scale for every 256 of them: block-wise dynamic quantization (Dettmers et al.,
// arXiv:2110.02861, section 2), with bitsandbytes' tables. Values lie close where magnitudes are small: seven decades,
// each with half as many values as the one above it.

#pragma once

#include "idefics_kernels.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

enum { IDF_DYNAMIC_BLOCK = 256 }; ///< elements that share a scale

/// Which 256 values codes stand for.
typedef enum idf_dynamic_map {
    IDF_DYNAMIC_SIGNED = 0,   ///< −0.993...1, 0 is code 127
    IDF_DYNAMIC_UNSIGNED = 1, ///< 0...1, 0 is code 0
} idf_dynamic_map;

/// The 256 values of a map, ascending; bitsandbytes' create_dynamic_map, the same floats.
const float *idf_dynamic_table(idf_dynamic_map map);

/// Quantizes n floats: scales[i / 256] is the largest magnitude of a block, codes[i] the nearest value of x[i] over it,
/// the one towards 0 of two equally near. With IDF_DYNAMIC_UNSIGNED (x >= 0) only 0 becomes 0: what is smaller than half of
/// the smallest value becomes that value. Blocks whose largest magnitude is below FLT_MIN become 0.
void idf_dynamic_quantize(uint8_t *codes, float *scales, const float *x, idf_dynamic_map map, int64_t n);

/// y[i] = table[codes[i]] · scales[i / 256].
void idf_dynamic_dequantize(float *y, const uint8_t *codes, const float *scales, idf_dynamic_map map, int64_t n);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
