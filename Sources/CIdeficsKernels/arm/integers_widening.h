// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Integer products of every arm64 for ../simd/integer.h: signed bytes, widened and added in pairs.

#pragma once

#include "vectors_neon.h"

#define INTEGER_NAME(base) base##_neon

typedef int32x4_t vi;

/// For codes of INT4: two products fit 16 bits.
IDF_INLINE vi i_product4(vi sum, vi weight, vi values) {
    const int8x16_t w = vreinterpretq_s8_s32(weight), x = vreinterpretq_s8_s32(values);
    const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x)), high = vmull_high_s8(w, x);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}
IDF_INLINE vi i_product8(vi sum, vi weight, vi values) {
    const int8x16_t w = vreinterpretq_s8_s32(weight), x = vreinterpretq_s8_s32(values);
    const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x)), high = vmull_high_s8(w, x);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}

#include "integers_neon.h"
