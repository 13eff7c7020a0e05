// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Checks every operation of an instruction set against the reference loops, on any machine that can run it. All memory
// ends at a page that must not be touched, so reading or writing past an array ends the program. Not thread-safe: the
// checks choose the instruction set and the number of threads.

#pragma once

#include <stddef.h>

#include "idefics_kernels.h"

#if defined(__clang__)
#pragma clang assume_nonnull begin
#endif

/// Number of checks.
int idf_conformance_count(void);
/// Name of check `index`, such as "linear/bf16".
const char *idf_conformance_name(int index);
/// Runs a check with `isa`, which must be available; returns 1 when it holds. Otherwise `message` says what failed first.
int idf_conformance_run(int index, idf_isa isa, char *message, size_t size);

#if defined(__clang__)
#pragma clang assume_nonnull end
#endif
