// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Tables of block-wise dynamic quantization, for magnitudes (0 and up, at most 1).

#pragma once

#include "idefics_dynamic.h"
#include "kernels.h"

#pragma clang assume_nonnull begin

enum {
    IDF_DYNAMIC_FRACTION_SHIFT = 16,                                     ///< keeps 7 bits of a float's fraction
    IDF_DYNAMIC_FIRST = (127 - 22) << (23 - IDF_DYNAMIC_FRACTION_SHIFT), ///< 2⁻²², below every boundary but 0
    IDF_DYNAMIC_LAST = 127 << (23 - IDF_DYNAMIC_FRACTION_SHIFT),         ///< 1
    IDF_DYNAMIC_STARTS = IDF_DYNAMIC_LAST - IDF_DYNAMIC_FIRST + 2,
};

/// A map as its magnitudes.
typedef struct idf_dynamic_levels {
    float table[256];                   ///< values of codes
    int count;                          ///< magnitudes, 0 among them
    int zero;                           ///< code of 0; magnitude i is code zero ± i
    int most_negative;                  ///< the largest magnitude that can be negative
    float boundaries[257];              ///< magnitude i begins after boundaries[i − 1]; the last is infinite
    uint8_t starts[IDF_DYNAMIC_STARTS]; ///< least magnitude of floats that begin with so many bits; at most one is above it
} idf_dynamic_levels;

const idf_dynamic_levels *idf_dynamic_levels_of(idf_dynamic_map map);

/// Code of a magnitude (>= 0; NaN counts as large) by its first bits and one comparison.
static inline int idf_dynamic_magnitude(const idf_dynamic_levels *levels, float magnitude) {
    int32_t bits;
    memcpy(&bits, &magnitude, sizeof bits);
    int32_t index = (bits >> IDF_DYNAMIC_FRACTION_SHIFT) - (IDF_DYNAMIC_FIRST - 1);
    index = index < 0 ? 0 : index >= IDF_DYNAMIC_STARTS ? IDF_DYNAMIC_STARTS - 1 : index;
    const int start = levels->starts[index];
    return start + (magnitude > levels->boundaries[start]);
}

/// The code of magnitude number `level` or its negative. No branch: signs are as good as random.
static inline uint8_t idf_dynamic_code(const idf_dynamic_levels *levels, int level, int is_negative) {
    const int excess = level - levels->most_negative;
    const int lowered = level - (is_negative & (excess > 0)) * excess;
    return (uint8_t)(levels->zero + (lowered ^ -is_negative) + is_negative);
}

/// What a block's elements are multiplied with before they are looked up; 0 for one that is all but 0.
static inline float idf_dynamic_inverse(float largest) { return largest >= 0x1p-126f ? 1 / largest : 0; }

#pragma clang assume_nonnull end
