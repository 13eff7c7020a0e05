// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Integer products of arm64 with the dot product extension (all since about 2018) for ../simd/integer.h: signed bytes,
// four at a time, into 32 bits.

#pragma once

#include "vectors_neon.h"

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define INTEGER_NAME(base) base##_dotprod

typedef int32x4_t vi;

IDF_INLINE vi i_product4(vi sum, vi weight, vi values) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(weight), vreinterpretq_s8_s32(values));
}
IDF_INLINE vi i_product8(vi sum, vi weight, vi values) { return i_product4(sum, weight, values); }

#include "integers_neon.h"
