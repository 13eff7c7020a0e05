// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if defined(__aarch64__)

#include "integers_i8mm.h"

#include "../simd/integer.h"

#pragma clang attribute pop

#endif
