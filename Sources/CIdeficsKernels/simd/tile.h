// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Template: the register tile that all matrix products end in (linear, and both products of attention), and the packing
// of its left side.

#pragma once

enum {
    TILE_ROWS = IDF_TILE_ROWS,
    TILE_COLUMNS = 2 * LANES,
    PANEL_VECTORS = (TILE_ROWS + LANES - 1) / LANES,
};

// MARK: - Packing rows

/// Packs steps l..<l + count (<= LANES) of a panel. The last lanes of a step run into the next one, which is written
/// later; `exact` writes nothing past the end.
IDF_INLINE void pack_x_steps(float *out, const float *x, int64_t ldx, int64_t rows, int64_t l, int64_t count, int exact) {
    vf lanes[PANEL_VECTORS][LANES];
    for (int64_t v = 0; v < PANEL_VECTORS; v++) {
        for (int64_t i = 0; i < LANES; i++) {
            const int64_t row = v * LANES + i;
            const float *p = x + row * ldx + l;
            lanes[v][i] = row >= rows ? v_zero() : exact ? v_load_n(p, count) : v_load(p);
        }
        v_transpose(lanes[v]);
    }
    for (int64_t i = 0; i < count; i++) {
        for (int64_t v = 0; v < PANEL_VECTORS && v * LANES < rows; v++) {
            float *p = out + (l + i) * rows + v * LANES;
            if (exact) {
                v_store_n(p, lanes[v][i], idf_min(LANES, rows - v * LANES));
            } else {
                v_store(p, lanes[v][i]);
            }
        }
    }
}

/// out [k][rows] = x [rows, k].
IDF_INLINE void pack_rows(float *out, const float *x, int64_t ldx, int64_t rows, int64_t k) {
    int64_t l = 0;
    // The last groups keep to their rows: another thread may be writing what follows the panel.
    const int64_t safe = k - idf_divide_up(LANES, rows);
    for (; l + LANES <= safe; l += LANES) pack_x_steps(out, x, ldx, rows, l, LANES, 0);
    for (; l < k; l += LANES) pack_x_steps(out, x, ldx, rows, l, idf_min(LANES, k - l), 1);
}

// MARK: - Tile

/// c [rows, vectors · LANES] (+)= a · b over k steps. Element (row, step) of a lies at a_row · row + a_step · step; steps
/// of b are ldb apart. rows <= IDF_TILE_ROWS and vectors <= 2 are constants where this is inlined, so sums are registers.
IDF_INLINE void tile_of(float *c, int64_t ldc, const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t ldb,
                        const int rows, const int vectors, int64_t k, int accumulate) {
    vf sums[IDF_TILE_ROWS][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) sums[r][v] = v_zero();
    }
    for (int64_t l = 0; l < k; l++) {
        vf columns[2];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) columns[v] = v_load(b + v * LANES);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) sums[r][v] = v_fma_at(a + r * a_row, columns[v], sums[r][v]);
        }
        a += a_step;
        b += ldb;
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            float *p = c + r * ldc + v * LANES;
            v_store(p, accumulate ? v_add(v_load(p), sums[r][v]) : sums[r][v]);
        }
    }
}

/// As tile_of, for any rows in 1...IDF_TILE_ROWS; `vectors` is a constant where this is inlined.
IDF_INLINE void tile_product(float *c, int64_t ldc, const float *a, int64_t a_row, int64_t a_step, const float *b,
                             int64_t ldb, int64_t rows, const int vectors, int64_t k, int accumulate) {
#define CASE(count) \
    case count: tile_of(c, ldc, a, a_row, a_step, b, ldb, count, vectors, k, accumulate); break;
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if IDF_TILE_ROWS > 6
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
#if IDF_TILE_ROWS > 12
        CASE(13) CASE(14)
#endif
    }
#undef CASE
}
