// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of bf16 where the machine multiplies pairs of them: two steps lie in each lane, [pairs][width][2].

#if defined(__x86_64__)

#include "vectors_avx512.h"

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16"))), apply_to = function)

enum { COLUMNS = 2 * LANES };

// MARK: - Packing

/// Lane i: a[i] below b[i].
IDF_INLINE vi pairs_of(vf a, vf b) {
    const vi order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4,
                                      19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (vi)_mm512_cvtne2ps_pbh(b, a));
}

static void round_panel(float *panel, int64_t width, int64_t k) {
    // A pair is written where its first half began or before, after both halves have been read.
    for (int64_t l = 0; l < k; l += 2, panel += width) {
        const float *a = panel + l / 2 * width, *b = a + width;
        for (int64_t j = 0; j < width; j += LANES) {
            const vm mask = v_first(idf_min(LANES, width - j));
            const vf first = _mm512_maskz_loadu_ps(mask, a + j);
            const vf second = l + 1 == k ? v_zero() : _mm512_maskz_loadu_ps(mask, b + j);
            _mm512_mask_storeu_epi32(panel + j, mask, pairs_of(first, second));
        }
    }
}

static void pack_weight(float *out, const uint16_t *weight, int64_t k_total, int64_t rows, int64_t k) {
    vf lanes[LANES];
    for (int64_t l = 0; l < k; l += 2 * LANES) {
        const int64_t n = idf_min(2 * LANES, k - l);
        const __mmask32 steps = n == 2 * LANES ? ~0u : (1u << n) - 1;
        for (int64_t half = 0; half < COLUMNS; half += LANES) {
            for (int64_t i = 0; i < LANES; i++) {
                lanes[i] = half + i >= rows
                               ? v_zero()
                               : _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(steps, weight + (half + i) * k_total + l));
            }
            v_transpose(lanes);
            for (int64_t i = 0; i < idf_divide_up(n, 2); i++) v_store(out + (l / 2 + i) * COLUMNS + half, lanes[i]);
        }
    }
}

static void pack_steps(float *out, const uint16_t *weight, int64_t ld, int64_t steps, int64_t columns) {
    const vm first = v_first(idf_min(LANES, columns)), second = v_first(idf_max(0, idf_min(LANES, columns - LANES)));
    for (int64_t l = 0; l < steps; l += 2, out += COLUMNS) {
        const uint16_t *a = weight + l * ld, *b = a + ld;
        for (int64_t half = 0; half < COLUMNS; half += LANES) {
            const vm mask = half == 0 ? first : second;
            const vi low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, a + half));
            const vi high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(l + 1 == steps ? 0 : mask, b + half));
            _mm512_storeu_si512(out + half, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
    }
}

// MARK: - Tile

/// sum + the products of the pair at p with those of b.
IDF_INLINE vf dot_at(const float *p, vf b, vf sum) {
    __asm__("vdpbf16ps %1%{1to16%}, %2, %0" : "+v"(sum) : "m"(*p), "v"(b));
    return sum;
}

IDF_INLINE void tile_of(float *c, int64_t ldc, const float *a, const float *b, const int rows, int64_t pairs, int accumulate) {
    vf sums[IDF_TILE_ROWS][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = v_zero();
    for (int64_t l = 0; l < pairs; l++) {
        const vf first = v_load(b), second = v_load(b + LANES);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            sums[r][0] = dot_at(a + r, first, sums[r][0]);
            sums[r][1] = dot_at(a + r, second, sums[r][1]);
        }
        a += rows;
        b += COLUMNS;
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < 2; v++) {
            float *p = c + r * ldc + v * LANES;
            v_store(p, accumulate ? v_add(v_load(p), sums[r][v]) : sums[r][v]);
        }
    }
}

static void tile(float *c, int64_t ldc, const float *a, const float *b, int64_t rows, int64_t k, int accumulate) {
    const int64_t pairs = idf_divide_up(k, 2);
#define CASE(count) \
    case count: tile_of(c, ldc, a, b, count, pairs, accumulate); break;
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
    }
#undef CASE
}

static double limit(int64_t iterations) {
    enum { CHAINS = 12 };
    vf sums[CHAINS];
    const vi ones = _mm512_set1_epi16(0x3f80);
#pragma clang loop unroll(full)
    for (int j = 0; j < CHAINS; j++) sums[j] = v_set((float)j);
    for (int64_t i = 0; i < iterations; i++) {
#pragma clang loop unroll(full)
        for (int j = 0; j < CHAINS; j++) {
            __asm__ volatile("vdpbf16ps %1, %1, %0" : "+v"(sums[j]) : "v"(ones)); // or the compiler multiplies once for all
        }
    }
    volatile float sink;
    for (int j = 0; j < CHAINS; j++) sink = v_sum(sums[j]);
    (void)sink;
    return 2.0 * CHAINS * 2 * LANES * (double)iterations;
}

const idf_bf16_kernels idf_bf16_avx512_native = {
    .round = round_panel,
    .pack_weight = pack_weight,
    .pack_steps = pack_steps,
    .tile = tile,
    .limit = limit,
};

#pragma clang attribute pop

#endif
