// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "idefics_hash.h"

// Odd constants with well-spread bits (the fractional parts of the golden ratio, sqrt 2, sqrt 3, sqrt 5 times 2^64).
static const uint64_t mixers[4] = {
    0x9e3779b97f4a7c15u, 0x6a09e667f3bcc909u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu,
};

static uint64_t mix(uint64_t state, uint64_t word, uint64_t odd) {
    state = (state ^ word) * odd;
    return state ^ (state >> 29);
}

static uint64_t load(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

uint64_t idf_content_hash(const void *bytes, size_t size, uint64_t seed) {
    const uint8_t *data = bytes;
    // Four independent lanes hide the multiplier's latency.
    uint64_t lanes[4] = {seed, seed ^ mixers[1], seed ^ mixers[2], seed ^ mixers[3]};
    size_t i = 0;
    for (; size - i >= 32; i += 32) {
        for (size_t lane = 0; lane < 4; lane++) lanes[lane] = mix(lanes[lane], load(data + i + 8 * lane), mixers[lane]);
    }
    uint8_t tail[32] = {0};
    if (size > i) memcpy(tail, data + i, size - i);
    uint64_t hash = mix(seed, (uint64_t)size, mixers[0]);
    for (size_t lane = 0; lane < 4; lane++) {
        hash = mix(hash, mix(lanes[lane], load(tail + 8 * lane), mixers[lane]), mixers[lane]);
    }
    return hash ^ (hash >> 32);
}
