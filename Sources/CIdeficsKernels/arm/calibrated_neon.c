// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if defined(__aarch64__)

#include "vectors_neon.h"

#include "../simd/calibrated.h"

#pragma clang attribute pop

#endif
