// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if defined(__x86_64__)

#include "integers_vnni.h"

#include "../simd/integer.h"

#pragma clang attribute pop

#endif
