// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// How x lies for products that add four neighbouring bytes.

#pragma once

/// Stores 64 codes of x; returns what a sum with codes + 8 begins with.
IDF_INLINE int32_t i_store4(int8_t *out, const int32_t *codes) {
    int32_t sum = 0;
    for (int l = 0; l < IDF_GROUP; l++) {
        out[l] = (int8_t)codes[l];
        sum += codes[l];
    }
    return -8 * sum;
}

/// As i_store4, high bytes first, with codes + 128.
IDF_INLINE int32_t i_store8(int8_t *out, const int32_t *codes) {
    int32_t sum = 0;
    for (int l = 0; l < IDF_GROUP; l++) {
        out[l] = (int8_t)((codes[l] + 128) >> 8);
        out[IDF_GROUP + l] = (int8_t)codes[l];
        sum += codes[l];
    }
    return -128 * sum;
}
