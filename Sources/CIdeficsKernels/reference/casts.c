// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "reference.h"

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float f32_of_f16(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 0) {
        // Zero and subnormals: fraction · 2^-24, exact in f32.
        const float magnitude = (float)fraction * 0x1p-24f;
        return float_of(sign | bits_of(magnitude));
    }
    if (exponent == 31) return float_of(sign | 0x7f800000 | fraction << 13 | (fraction != 0 ? 0x400000 : 0));
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

static uint16_t f16_of_f32(float value) {
    const uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffff;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
    if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
    if (magnitude < 0x38800000) {
        // Below 2^-14: a multiple of 2^-24. Scaling by 2^24 is exact, and rintf rounds to nearest even.
        return sign | (uint16_t)rintf(float_of(magnitude) * 0x1p24f);
    }
    const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return sign | (uint16_t)((rounded >> 13) - (112 << 10));
}

static uint16_t bf16_of_f32(float value) {
    const uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float idf_element_reference(const void *x, idf_dtype dtype, int64_t i) {
    switch (dtype) {
    case IDF_BF16: return float_of((uint32_t)((const uint16_t *)x)[i] << 16);
    case IDF_F16: return f32_of_f16(((const uint16_t *)x)[i]);
    default: break;
    }
    return ((const float *)x)[i];
}

float idf_round_reference(float x, int bf16) { return bf16 ? float_of((uint32_t)bf16_of_f32(x) << 16) : x; }

void idf_to_f32_reference(float *y, const void *x, idf_dtype dtype, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = idf_element_reference(x, dtype, i);
}

void idf_from_f32_reference(void *y, const float *x, idf_dtype dtype, int64_t n) {
    switch (dtype) {
    case IDF_BF16:
        for (int64_t i = 0; i < n; i++) ((uint16_t *)y)[i] = bf16_of_f32(x[i]);
        break;
    case IDF_F16:
        for (int64_t i = 0; i < n; i++) ((uint16_t *)y)[i] = f16_of_f32(x[i]);
        break;
    default: memcpy(y, x, (size_t)n * sizeof(float)); break;
    }
}
