// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// SHA-256 (FIPS 180-4) to verify large files, and SHA-1 because git names small ones by it.
// Nothing here allocates; a context may be copied; no pointer may be null unless its length is 0.

#ifndef IDEFICS_HASH_H
#define IDEFICS_HASH_H

#include <stddef.h>
#include <stdint.h>

/// A running SHA-256.
typedef struct {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
    int32_t portable;
} idf_sha256_context;

/// A running SHA-1.
typedef struct {
    uint32_t state[5];
    uint64_t length;
    uint8_t block[64];
} idf_sha1_context;

/// Starts a hash; `portable` != 0 leaves the CPU's SHA instructions unused (for tests).
void idf_sha256_init(idf_sha256_context *_Nonnull context, int32_t portable);
void idf_sha256_update(idf_sha256_context *_Nonnull context, const void *_Nullable bytes, size_t count);
/// Writes the digest; the context must be initialised again before further use.
void idf_sha256_final(idf_sha256_context *_Nonnull context, uint8_t digest[_Nonnull 32]);
/// 1 if this CPU has SHA-256 instructions and they are used.
int32_t idf_sha256_is_accelerated(void);

void idf_sha1_init(idf_sha1_context *_Nonnull context);
void idf_sha1_update(idf_sha1_context *_Nonnull context, const void *_Nullable bytes, size_t count);
/// Writes the digest; the context must be initialised again before further use.
void idf_sha1_final(idf_sha1_context *_Nonnull context, uint8_t digest[_Nonnull 20]);

#endif
