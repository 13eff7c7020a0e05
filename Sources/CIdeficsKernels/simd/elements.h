// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: a loop over elements, whole vectors first.

#pragma once

/// Runs BODY(load, store) for whole vectors, then once for the rest; `i` is the index.
#define FOR_VECTORS(n, BODY)                                                  \
    do {                                                                      \
        int64_t i = 0;                                                        \
        for (; i + LANES <= (n); i += LANES) { BODY(WHOLE_LOAD, WHOLE_STORE) } \
        const int64_t rest = (n) - i;                                         \
        if (rest > 0) { BODY(PART_LOAD, PART_STORE) }                         \
    } while (0)
#define WHOLE_LOAD(p) v_load((p) + i)
#define WHOLE_STORE(p, x) v_store((p) + i, x)
#define PART_LOAD(p) v_load_n((p) + i, rest)
#define PART_STORE(p, x) v_store_n((p) + i, x, rest)
