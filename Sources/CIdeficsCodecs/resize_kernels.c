// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "resize.h"

// 3 * 512 accumulators of 4 bytes stay in the first-level cache.
#define BLOCK 1536

static inline __attribute__((always_inline)) uint8_t clip(uint32_t sum) {
    int32_t value = (int32_t)sum >> IDF_FRACTION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

// MARK: - Portable

static inline __attribute__((always_inline)) void split_from(
    uint8_t *planes, size_t plane, const uint8_t *in, uint32_t width, uint32_t x
) {
    for (; x < width; x++) {
        for (size_t channel = 0; channel < 3; channel++) planes[channel * plane + x] = in[3 * (size_t)x + channel];
    }
}

static void row_portable(
    uint8_t *out, uint32_t out_width, uint8_t *planes, size_t plane, const uint8_t *in, uint32_t in_width,
    const idf_taps *taps
) {
    split_from(planes, plane, in, in_width, 0);
    for (uint32_t o = 0; o < out_width; o++) {
        const int16_t *low = taps->low + o * taps->stride, *high = taps->high + o * taps->stride;
        for (size_t channel = 0; channel < 3; channel++) {
            const uint8_t *p = planes + channel * plane + taps->first[o];
            // Partial sums may wrap; the total fits in 32 bits.
            uint32_t low_sum = 0, high_sum = 0;
            for (size_t j = 0; j < taps->count[o]; j++) {
                low_sum += (uint32_t)((int32_t)p[j] * low[j]);
                high_sum += (uint32_t)((int32_t)p[j] * high[j]);
            }
            out[3 * (size_t)o + channel] = clip(IDF_ROUNDING + low_sum + (high_sum << 15));
        }
    }
}

static inline __attribute__((always_inline)) void column_body(
    uint8_t *restrict out, size_t width, const uint8_t *const *rows, const int32_t *weights, uint32_t count
) {
    uint32_t sums[BLOCK];
    for (size_t start = 0; start < width; start += BLOCK) {
        const size_t n = width - start < BLOCK ? width - start : BLOCK;
        for (size_t x = 0; x < n; x++) sums[x] = IDF_ROUNDING;
        for (uint32_t j = 0; j < count; j++) {
            const uint8_t *restrict row = rows[j] + start;
            const uint32_t weight = (uint32_t)weights[j];
            for (size_t x = 0; x < n; x++) sums[x] += weight * row[x];
        }
        for (size_t x = 0; x < n; x++) out[start + x] = clip(sums[x]);
    }
}

static void column_portable(
    uint8_t *out, size_t width, const uint8_t *const *rows, const int32_t *weights, uint32_t count
) {
    column_body(out, width, rows, weights, count);
}

idf_resize_kernels idf_resize_kernels_portable(void) { return (idf_resize_kernels){row_portable, column_portable}; }

// MARK: - AVX2

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

// Interleaved to planar, 16 pixels (three registers of 16 bytes) at a time.
AVX2 static void split_avx2(uint8_t *planes, size_t plane, const uint8_t *in, uint32_t width) {
    // Byte i of a plane is byte 3 i + channel of the 48; each register contributes those it holds (-1 gives zero).
    __m128i masks[3][3];
    for (int channel = 0; channel < 3; channel++) {
        for (int part = 0; part < 3; part++) {
            int8_t mask[16];
            for (int i = 0; i < 16; i++) {
                int byte = 3 * i + channel - 16 * part;
                mask[i] = (int8_t)(byte >= 0 && byte < 16 ? byte : -1);
            }
            masks[channel][part] = _mm_loadu_si128((const __m128i *)mask);
        }
    }
    uint32_t x = 0;
    for (; x + 16 <= width; x += 16) {
        const __m128i *from = (const __m128i *)(in + 3 * (size_t)x);
        __m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1), c = _mm_loadu_si128(from + 2);
        for (int channel = 0; channel < 3; channel++) {
            __m128i bytes = _mm_or_si128(_mm_shuffle_epi8(a, masks[channel][0]), _mm_shuffle_epi8(b, masks[channel][1]));
            bytes = _mm_or_si128(bytes, _mm_shuffle_epi8(c, masks[channel][2]));
            _mm_storeu_si128((__m128i *)(planes + (size_t)channel * plane + x), bytes);
        }
    }
    split_from(planes, plane, in, width, x);
}

AVX2 static void row_avx2(
    uint8_t *out, uint32_t out_width, uint8_t *planes, size_t plane, const uint8_t *in, uint32_t in_width,
    const idf_taps *taps
) {
    split_avx2(planes, plane, in, in_width);
    for (uint32_t o = 0; o < out_width; o++) {
        const int16_t *low = taps->low + o * taps->stride, *high = taps->high + o * taps->stride;
        const uint8_t *p = planes + taps->first[o];
        __m256i low_sums[3] = {0}, high_sums[3] = {0};
        for (size_t j = 0; j < taps->count[o]; j += IDF_GROUP) {
            const __m256i l = _mm256_loadu_si256((const __m256i *)(low + j));
            const __m256i h = _mm256_loadu_si256((const __m256i *)(high + j));
            for (size_t channel = 0; channel < 3; channel++) {
                const __m128i bytes = _mm_loadu_si128((const __m128i *)(p + channel * plane + j));
                const __m256i pixels = _mm256_cvtepu8_epi16(bytes);
                low_sums[channel] = _mm256_add_epi32(low_sums[channel], _mm256_madd_epi16(pixels, l));
                high_sums[channel] = _mm256_add_epi32(high_sums[channel], _mm256_madd_epi16(pixels, h));
            }
        }
        __m128i sums[3];
        for (size_t channel = 0; channel < 3; channel++) {
            __m256i sum = _mm256_add_epi32(low_sums[channel], _mm256_slli_epi32(high_sums[channel], 15));
            sums[channel] = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        }
        __m128i total = _mm_hadd_epi32(_mm_hadd_epi32(sums[0], sums[1]), _mm_hadd_epi32(sums[2], sums[2]));
        out[3 * (size_t)o] = clip(IDF_ROUNDING + (uint32_t)_mm_extract_epi32(total, 0));
        out[3 * (size_t)o + 1] = clip(IDF_ROUNDING + (uint32_t)_mm_extract_epi32(total, 1));
        out[3 * (size_t)o + 2] = clip(IDF_ROUNDING + (uint32_t)_mm_extract_epi32(total, 2));
    }
}

AVX2 static void column_avx2(
    uint8_t *out, size_t width, const uint8_t *const *rows, const int32_t *weights, uint32_t count
) {
    column_body(out, width, rows, weights, count);
}

#endif

idf_resize_kernels idf_resize_kernels_choose(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return (idf_resize_kernels){row_avx2, column_avx2};
#endif
    return idf_resize_kernels_portable();
}
