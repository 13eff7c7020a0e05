// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Pillow's 8-bit antialiased bicubic resampling, reproduced bit for bit (Pillow up to 12: horizontal pass first).
// Weights are computed in double and rounded to 22 fractional bits; each pass sums exactly in integers, so neither the
// order of summation nor the instruction set can change a result.

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "resize.h"

// A fused multiply-add would round the weights differently from Pillow.
#pragma STDC FP_CONTRACT OFF

// MARK: - Weights

static double bicubic(double x) {
    const double a = -0.5;
    if (x < 0.0) x = -x;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static void taps_free(idf_taps *t) {
    free(t->first);
    free(t->count);
    free(t->weights);
    free(t->low);
    free(t->high);
}

static bool taps_make(idf_taps *t, uint32_t in, uint32_t out, size_t *budget) {
    const double scale = (double)in / out;
    const double stretch = scale < 1.0 ? 1.0 : scale;
    const double support = 2.0 * stretch;
    const double inverse = 1.0 / stretch;
    const size_t longest = (size_t)ceil(support) * 2 + 1;
    *t = (idf_taps){.stride = (longest + IDF_GROUP - 1) / IDF_GROUP * IDF_GROUP};

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
            double fixed = weight * (1 << IDF_FRACTION_BITS);
            t->weights[o * t->stride + j] = (int32_t)(fixed + (weight < 0 ? -0.5 : 0.5));
        }
        t->first[o] = (uint32_t)low;
        t->count[o] = (uint32_t)count;
        if (count > t->longest) t->longest = (uint32_t)count;
    }
    free(exact);
    return true;
}

static bool taps_split(idf_taps *t, uint32_t out, size_t *budget) {
    const size_t count = t->stride * out;
    if (count * 2 * sizeof(int16_t) > *budget) return false;
    *budget -= count * 2 * sizeof(int16_t);
    t->low = malloc(count * sizeof(int16_t));
    t->high = malloc(count * sizeof(int16_t));
    if (t->low == NULL || t->high == NULL) return false;
    for (size_t i = 0; i < count; i++) {
        t->low[i] = (int16_t)(t->weights[i] & 0x7fff);
        t->high[i] = (int16_t)(t->weights[i] >> 15);
    }
    return true;
}

// MARK: - Passes

typedef struct {
    idf_taps x, y;
    uint8_t *planes;       // one input row, planar
    uint8_t *ring;         // the horizontally resized rows that the next output row needs
    const uint8_t **rows;  // pointers to them, in order
} workspace;

static void workspace_free(workspace *w) {
    taps_free(&w->x);
    taps_free(&w->y);
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
        if (!taps_split(&w->x, out_width, &budget) || plane * 3 > budget) return false;
        budget -= plane * 3;
        w->planes = calloc(3, plane);
        if (w->planes == NULL) return false;
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

static int resize(
    idf_resize_kernels kernel, uint8_t *out, const uint8_t *in, uint32_t out_width, uint32_t out_height,
    uint32_t in_width, uint32_t in_height, size_t max_workspace
) {
    const size_t in_stride = (size_t)in_width * 3, out_stride = (size_t)out_width * 3;
    const size_t plane = (size_t)in_width + IDF_GROUP;
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
                kernel.row(out + y * out_stride, out_width, w.planes, plane, in + y * in_stride, in_width, &w.x);
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
                uint8_t *row = w.ring + done % w.y.longest * out_stride;
                kernel.row(row, out_width, w.planes, plane, in + done * in_stride, in_width, &w.x);
            }
        }
        for (size_t j = 0; j < count; j++) {
            const size_t y = first + j;
            w.rows[j] = w.ring != NULL ? w.ring + y % w.y.longest * out_stride : in + y * in_stride;
        }
        kernel.column(out + o * out_stride, out_stride, w.rows, w.y.weights + o * w.y.stride, (uint32_t)count);
    }
    workspace_free(&w);
    return 0;
}

int idf_resize_bicubic_rgb(
    uint8_t *out, const uint8_t *in, uint32_t out_width, uint32_t out_height, uint32_t in_width, uint32_t in_height,
    size_t max_workspace
) {
    const idf_resize_kernels kernels = idf_resize_kernels_choose();
    return resize(kernels, out, in, out_width, out_height, in_width, in_height, max_workspace);
}

int idf_resize_bicubic_rgb_portable(
    uint8_t *out, const uint8_t *in, uint32_t out_width, uint32_t out_height, uint32_t in_width, uint32_t in_height,
    size_t max_workspace
) {
    const idf_resize_kernels kernels = idf_resize_kernels_portable();
    return resize(kernels, out, in, out_width, out_height, in_width, in_height, max_workspace);
}
