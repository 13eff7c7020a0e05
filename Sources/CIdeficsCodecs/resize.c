// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Pillow's 8-bit antialiased bicubic resampling, reproduced bit for bit (Pillow up to 12: horizontal pass first).
// Weights are computed in double and rounded to 22 fractional bits; each pass sums exactly in integers, so neither the
// order of summation nor the instruction set can change a result.

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "idefics_codecs.h"

#pragma STDC FP_CONTRACT OFF

#define FRACTION_BITS 22
#define ROUNDING (1u << (FRACTION_BITS - 1))
// Pixels and weights are consumed in groups of 16 bytes; weights are padded with zeros to whole groups.
#define GROUP 16
// 3 * 512 accumulators of 4 bytes stay in the first-level cache.
#define BLOCK 1536

// MARK: - Weights

typedef struct {
    uint32_t *first;  // [out] first input index of each output
    uint32_t *count;  // [out] number of inputs
    int32_t *weights; // [out, stride] fixed point, zeros behind count
    size_t stride;
    uint32_t longest;
} taps;

static double bicubic(double x) {
    const double a = -0.5;
    if (x < 0.0) x = -x;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static void taps_free(taps *t) {
    free(t->first);
    free(t->count);
    free(t->weights);
}

static bool taps_make(taps *t, uint32_t in, uint32_t out, size_t *budget) {
    const double scale = (double)in / out;
    const double stretch = scale < 1.0 ? 1.0 : scale;
    const double support = 2.0 * stretch;
    const double inverse = 1.0 / stretch;
    const size_t longest = (size_t)ceil(support) * 2 + 1;
    *t = (taps){.stride = (longest + GROUP - 1) / GROUP * GROUP};

    const size_t bytes = t->stride * out * sizeof(int32_t) + longest * sizeof(double);
    if (bytes > *budget) return false;
    *budget -= bytes;
    t->first = malloc(out * sizeof(uint32_t));
    t->count = malloc(out * sizeof(uint32_t));
    t->weights = calloc((size_t)out * t->stride, sizeof(int32_t));
    double *exact = malloc(longest * sizeof(double));
    if (t->first == NULL || t->count == NULL || t->weights == NULL || exact == NULL) {
        free(exact);
        return false;
    }
    for (uint32_t o = 0; o < out; o++) {
        const double center = (o + 0.5) * scale;
        int64_t low = (int64_t)(center - support + 0.5);
        int64_t high = (int64_t)(center + support + 0.5);
        if (low < 0) low = 0;
        if (high > in) high = in;
        const size_t count = (size_t)(high - low);
        double sum = 0.0;
        for (size_t j = 0; j < count; j++) {
            exact[j] = bicubic((j + low - center + 0.5) * inverse);
            sum += exact[j];
        }
        for (size_t j = 0; j < count; j++) {
            double weight = sum != 0.0 ? exact[j] / sum : exact[j];
            double fixed = weight * (1 << FRACTION_BITS);
            t->weights[o * t->stride + j] = (int32_t)(fixed + (weight < 0 ? -0.5 : 0.5));
        }
        t->first[o] = (uint32_t)low;
        t->count[o] = (uint32_t)count;
        if (count > t->longest) t->longest = (uint32_t)count;
    }
    free(exact);
    return true;
}

// MARK: - Kernels

static inline __attribute__((always_inline)) uint8_t clip(uint32_t sum) {
    int32_t value = (int32_t)sum >> FRACTION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

// One row: planar input (3 planes of `plane` bytes, readable GROUP bytes past the last pixel), interleaved output.
// A weight is split into `high * 2^15 + low` so that both halves multiply bytes as 16-bit integers, many at a time;
// partial sums may wrap, the total fits in 32 bits.
static inline __attribute__((always_inline)) void row_body(
    uint8_t *out, const uint8_t *planes, size_t plane, const taps *t, const int16_t *low, const int16_t *high,
    uint32_t out_width
) {
    for (uint32_t o = 0; o < out_width; o++) {
        const size_t count = (t->count[o] + GROUP - 1) / GROUP * GROUP;
        const int16_t *l = low + o * t->stride, *h = high + o * t->stride;
        for (int channel = 0; channel < 3; channel++) {
            const uint8_t *p = planes + channel * plane + t->first[o];
            uint32_t low_sum = 0, high_sum = 0;
            for (size_t j = 0; j < count; j++) {
                low_sum += (uint32_t)((int32_t)p[j] * l[j]);
                high_sum += (uint32_t)((int32_t)p[j] * h[j]);
            }
            out[3 * o + channel] = clip(ROUNDING + low_sum + (high_sum << 15));
        }
    }
}

static inline __attribute__((always_inline)) void split_body(
    uint8_t *planes, size_t plane, const uint8_t *in, uint32_t width
) {
    uint8_t *restrict r = planes, *restrict g = planes + plane, *restrict b = planes + 2 * plane;
    for (uint32_t x = 0; x < width; x++) {
        r[x] = in[3 * x];
        g[x] = in[3 * x + 1];
        b[x] = in[3 * x + 2];
    }
}

// One block of one output row: out[x] = sum over j of weights[j] * rows[j][x].
static inline __attribute__((always_inline)) void column_body(
    uint8_t *restrict out, const uint8_t *const *rows, const int32_t *weights, uint32_t count, size_t start, size_t n
) {
    uint32_t sums[BLOCK];
    for (size_t x = 0; x < n; x++) sums[x] = ROUNDING;
    for (uint32_t j = 0; j < count; j++) {
        const uint8_t *restrict row = rows[j] + start;
        const uint32_t weight = (uint32_t)weights[j];
        for (size_t x = 0; x < n; x++) sums[x] += weight * row[x];
    }
    for (size_t x = 0; x < n; x++) out[start + x] = clip(sums[x]);
}

// clang-format off
#define KERNELS(suffix, attribute)                                                                                     \
    attribute static void row_##suffix(                                                                                \
        uint8_t *out, uint8_t *planes, size_t plane, const uint8_t *in, uint32_t in_width, const taps *t,              \
        const int16_t *low, const int16_t *high, uint32_t out_width                                                    \
    ) {                                                                                                                \
        split_body(planes, plane, in, in_width);                                                                       \
        row_body(out, planes, plane, t, low, high, out_width);                                                         \
    }                                                                                                                  \
    attribute static void column_##suffix(                                                                             \
        uint8_t *out, const uint8_t *const *rows, const int32_t *weights, uint32_t count, size_t width                 \
    ) {                                                                                                                \
        for (size_t x = 0; x < width; x += BLOCK) {                                                                    \
            column_body(out, rows, weights, count, x, width - x < BLOCK ? width - x : BLOCK);                          \
        }                                                                                                              \
    }
// clang-format on

KERNELS(portable, )
#if defined(__x86_64__)
KERNELS(avx2, __attribute__((target("avx2"))))
#endif

typedef struct {
    __typeof__(row_portable) *row;
    __typeof__(column_portable) *column;
} kernels;

static kernels choose_kernels(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return (kernels){row_avx2, column_avx2};
#endif
    return (kernels){row_portable, column_portable};
}

// MARK: - Passes

typedef struct {
    taps x, y;
    int16_t *low, *high;   // the halves of x.weights
    uint8_t *planes;       // one input row, planar
    uint8_t *ring;         // the horizontally resized rows that the next output row needs
    const uint8_t **rows;  // pointers to them, in order
} workspace;

static void workspace_free(workspace *w) {
    taps_free(&w->x);
    taps_free(&w->y);
    free(w->low);
    free(w->high);
    free(w->planes);
    free(w->ring);
    free(w->rows);
}

static bool workspace_make(
    workspace *w, uint32_t out_width, uint32_t out_height, uint32_t in_width, uint32_t in_height, size_t plane,
    size_t budget
) {
    if (in_width != out_width) {
        if (!taps_make(&w->x, in_width, out_width, &budget)) return false;
        const size_t count = w->x.stride * out_width;
        if (count * 4 + plane * 3 > budget) return false;
        budget -= count * 4 + plane * 3;
        w->low = malloc(count * sizeof(int16_t));
        w->high = malloc(count * sizeof(int16_t));
        w->planes = calloc(3, plane);
        if (w->low == NULL || w->high == NULL || w->planes == NULL) return false;
        for (size_t i = 0; i < count; i++) {
            w->low[i] = (int16_t)(w->x.weights[i] & 0x7fff);
            w->high[i] = (int16_t)(w->x.weights[i] >> 15);
        }
    }
    if (in_height != out_height) {
        if (!taps_make(&w->y, in_height, out_height, &budget)) return false;
        const size_t window = w->y.longest;
        const size_t ring = in_width != out_width ? window * out_width * 3 : 0;
        if (window * sizeof(uint8_t *) + ring > budget) return false;
        w->rows = malloc(window * sizeof(uint8_t *));
        if (ring != 0) w->ring = malloc(ring);
        if (w->rows == NULL || (ring != 0 && w->ring == NULL)) return false;
    }
    return true;
}

int idf_resize_bicubic_rgb(
    uint8_t *out, const uint8_t *in, uint32_t out_width, uint32_t out_height, uint32_t in_width, uint32_t in_height,
    size_t max_workspace
) {
    const kernels kernel = choose_kernels();
    const size_t in_stride = (size_t)in_width * 3, out_stride = (size_t)out_width * 3;
    const size_t plane = (size_t)in_width + GROUP;
    workspace w = {0};
    if (!workspace_make(&w, out_width, out_height, in_width, in_height, plane, max_workspace)) {
        workspace_free(&w);
        return -1;
    }

    if (in_height == out_height) {
        if (in_width == out_width) {
            memcpy(out, in, in_stride * in_height);
        } else {
            for (size_t y = 0; y < in_height; y++) {
                kernel.row(
                    out + y * out_stride, w.planes, plane, in + y * in_stride, in_width, &w.x, w.low, w.high, out_width
                );
            }
        }
        workspace_free(&w);
        return 0;
    }

    size_t done = 0;  // input rows that have gone through the horizontal pass; windows only ever move down
    for (uint32_t o = 0; o < out_height; o++) {
        const size_t first = w.y.first[o], count = w.y.count[o];
        if (w.ring != NULL) {
            if (done < first) done = first;
            for (; done < first + count; done++) {
                kernel.row(
                    w.ring + done % w.y.longest * out_stride, w.planes, plane, in + done * in_stride, in_width, &w.x,
                    w.low, w.high, out_width
                );
            }
        }
        for (size_t j = 0; j < count; j++) {
            const size_t y = first + j;
            w.rows[j] = w.ring != NULL ? w.ring + y % w.y.longest * out_stride : in + y * in_stride;
        }
        kernel.column(out + o * out_stride, w.rows, w.y.weights + o * w.y.stride, (uint32_t)count, out_stride);
    }
    workspace_free(&w);
    return 0;
}
