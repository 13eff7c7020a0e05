// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Integer products of arm64 with the dot product extension (all since about 2018) for ../simd/integer.h.

#pragma once

#include "vectors_neon.h"

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define INTEGER_NAME(base) base##_dotprod

#include "integers_dot.h"
#include "integers_neon.h"
