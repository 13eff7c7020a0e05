// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// The inner loops of idf_resize_bicubic_rgb and what they work on.

#pragma once

#include "idefics_codecs.h"

#define IDF_FRACTION_BITS 22
#define IDF_ROUNDING (1u << (IDF_FRACTION_BITS - 1))
// Pixels and weights are consumed in groups of 16; weights are padded with zeros to whole groups.
#define IDF_GROUP 16

typedef struct {
    uint32_t *first;   // [out] first input index of each output
    uint32_t *count;   // [out] number of inputs
    int32_t *weights;  // [out, stride] fixed point, zeros after count
    // weight = high * 2^15 + low: both halves multiply bytes as 16-bit integers, 16 at a time. Horizontal pass only.
    int16_t *low, *high;
    size_t stride;
    uint32_t longest;  // the largest count
} idf_taps;

typedef struct {
    // One row through the horizontal pass. `planes` is scratch: three planes of `plane` >= in_width + IDF_GROUP bytes.
    void (*row)(
        uint8_t *out, uint32_t out_width, uint8_t *planes, size_t plane, const uint8_t *in, uint32_t in_width,
        const idf_taps *taps
    );
    // One row of the vertical pass: out[x] = sum over j of weights[j] * rows[j][x], for `width` bytes.
    void (*column)(uint8_t *out, size_t width, const uint8_t *const *rows, const int32_t *weights, uint32_t count);
} idf_resize_kernels;

// The fastest kernels this processor runs. All give the same bytes.
idf_resize_kernels idf_resize_kernels_choose(void);

// Plain loops: the definition of the result.
idf_resize_kernels idf_resize_kernels_portable(void);
