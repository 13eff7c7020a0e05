// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Integer products of arm64 with the 8-bit matrix extension (most since about 2021) for ../simd/integer.h: unpacked INT4
// by pairs (../simd/integer_pairs.h), everything else as with dot products.

#pragma once

#include "vectors_neon.h"

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)

#define INTEGER_NAME(base) base##_i8mm
#define INTEGER_PAIRS 1
#define INTEGER_ROWS 6 // 3 × 8 sums of pairs, 1 of weights, 3 of x: 28 of 32 registers

#include "integers_dot.h"
#include "integers_neon.h"
