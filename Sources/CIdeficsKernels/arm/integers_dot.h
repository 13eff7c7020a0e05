// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Products of arm64's dot instructions: signed bytes, four at a time, into 32 bits.

#pragma once

typedef int32x4_t vi;

IDF_INLINE vi i_product4(vi sum, vi weight, vi values) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(weight), vreinterpretq_s8_s32(values));
}
IDF_INLINE vi i_product8(vi sum, vi weight, vi values) { return i_product4(sum, weight, values); }
