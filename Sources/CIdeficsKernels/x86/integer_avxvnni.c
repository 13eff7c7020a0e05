// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if defined(__x86_64__)

#include "vectors_avx2.h"

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)

#define INTEGER_NAME(base) base##_avxvnni
IDF_INLINE vi i_dpbusd(vi sum, vi weight, vi values) { return _mm256_dpbusd_avx_epi32(sum, weight, values); }

#include "integers_avxvnni.h"

#include "../simd/integer.h"

#pragma clang attribute pop

#endif
