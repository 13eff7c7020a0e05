// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if defined(__x86_64__)

#include "vectors_avx512.h"

#include "../simd/calibrated.h"

#pragma clang attribute pop

#endif
