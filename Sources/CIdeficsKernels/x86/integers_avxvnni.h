// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Integer products of 256-bit VNNI for ../simd/integer.h, on processors without AVX-512 (AVX-VNNI: Intel since 2021) and,
// as the same instruction in another encoding, on those with it, where it is tested. The file that includes this one
// has defined INTEGER_NAME and i_dpbusd and set the target.

#pragma once

#include "integers_256.h"
#include "integers_bytes.h"

IDF_INLINE vi i_product4(vi sum, vi weight, vi values) { return i_dpbusd(sum, weight, values); }
IDF_INLINE vi i_dot4(vi sum, vi weight, const int8_t *x) { return i_product4(sum, weight, i_values4(x)); }
IDF_INLINE vf i_float4(vi sum) { return _mm256_cvtepi32_ps(sum); }

IDF_INLINE vi i_begin8(int32_t start) {
    (void)start;
    return _mm256_setzero_si256();
}
IDF_INLINE vi i_between8(vi sum, int32_t start) {
    return _mm256_add_epi32(_mm256_slli_epi32(sum, 8), _mm256_set1_epi32(start));
}
IDF_INLINE vi i_part8(vi codes, int part) {
    (void)part;
    return codes;
}
IDF_INLINE vi i_dot8(vi sum, vi weight, const int8_t *x) { return i_dot4(sum, weight, x); }
