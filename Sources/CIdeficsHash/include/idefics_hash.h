// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// A hash of many bytes, for finding equal ones quickly.

#ifndef IDEFICS_HASH_H
#define IDEFICS_HASH_H

#include <stddef.h>
#include <stdint.h>

/// A 64-bit hash of `size` bytes, the same on every machine. Not cryptographic: compare the bytes when hashes agree.
uint64_t idf_content_hash(const void *_Nullable data, size_t size, uint64_t seed);

#endif
