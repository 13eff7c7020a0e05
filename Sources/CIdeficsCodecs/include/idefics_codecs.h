// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// The C edge of IdeficsImages: libjpeg, libpng and libwebp behind one interface (their setjmp error handling never leaves
// this target), and the loops over pixels that must be fast in debug builds too.

#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

typedef enum {
    IDF_FORMAT_JPEG = 1,
    IDF_FORMAT_PNG = 2,
    IDF_FORMAT_WEBP = 3,
} idf_image_format;

typedef enum {
    IDF_CODEC_OK = 0,
    IDF_CODEC_CORRUPT = 1,         // the library refused the data; idf_decoder_message says why
    IDF_CODEC_TRUNCATED = 2,       // the data ends before the image does
    IDF_CODEC_UNSUPPORTED = 3,     // a valid file of a kind that is not decoded
    IDF_CODEC_TOO_MANY_SCANS = 4,  // a progressive JPEG with more passes than allowed
    IDF_CODEC_OUT_OF_MEMORY = 5,
} idf_codec_status;

// How idf_decoder_read_pixels lays out one pixel; rows follow each other without padding.
typedef enum {
    IDF_LAYOUT_GRAY = 1,        // one byte: the sample as stored, 0 ... 2^bit_depth - 1
    IDF_LAYOUT_GRAY16 = 2,      // two bytes, big endian
    IDF_LAYOUT_GRAY_ALPHA = 3,  // two bytes
    IDF_LAYOUT_PALETTE = 4,     // one byte: an index into idf_decoder_palette
    IDF_LAYOUT_RGB = 5,
    IDF_LAYOUT_RGBA = 6,  // alpha not premultiplied
    IDF_LAYOUT_CMYK = 7,  // four bytes as stored, that is inverted (255 = no ink), as Adobe writes them
} idf_pixel_layout;

typedef struct {
    uint32_t width;
    uint32_t height;
    idf_pixel_layout layout;
    uint32_t bytes_per_pixel;
    uint32_t bit_depth;        // bits of one stored sample; 16-bit layouts other than GRAY16 are cut to their high byte
    int32_t transparent_gray;  // the grey sample that PNG's tRNS declares transparent, or -1
} idf_image_info;

typedef struct idf_decoder idf_decoder;

// Prepares to decode `size` bytes, which must stay valid until idf_decoder_free. Returns NULL when out of memory.
idf_decoder *_Nullable idf_decoder_new(idf_image_format format, const uint8_t *data, size_t size);

// Reads what the file declares about itself. Allocates nothing that depends on the declared size: check it before going on.
idf_codec_status idf_decoder_read_header(idf_decoder *decoder, idf_image_info *info);

// Decodes into `pixels`, which holds exactly width * height * bytes_per_pixel bytes. Once, after read_header succeeded.
// A JPEG of more than `max_scans` passes is refused as soon as the excess begins.
idf_codec_status idf_decoder_read_pixels(idf_decoder *decoder, uint8_t *pixels, size_t size, uint32_t max_scans);

// The 256 colors of a palette image as RGBA, after read_header. Indices the file leaves undefined are opaque black.
void idf_decoder_palette(const idf_decoder *decoder, uint8_t *rgba);

// What the library said about the last failure; never NULL, valid until idf_decoder_free.
const char *idf_decoder_message(const idf_decoder *decoder);

void idf_decoder_free(idf_decoder *decoder);

// Resizes interleaved RGB with Pillow's 8-bit antialiased bicubic (horizontal pass first), bit for bit.
// `out` has out_width * out_height * 3 bytes and does not overlap `in`. No size is 0. Returns 0, or -1 when the working
// memory (a window of rows, at most `max_workspace` bytes) is not to be had.
int idf_resize_bicubic_rgb(
    uint8_t *out, const uint8_t *in, uint32_t out_width, uint32_t out_height, uint32_t in_width, uint32_t in_height,
    size_t max_workspace
);

// The same without special instructions; what idf_resize_bicubic_rgb is tested against.
int idf_resize_bicubic_rgb_portable(
    uint8_t *out, const uint8_t *in, uint32_t out_width, uint32_t out_height, uint32_t in_width, uint32_t in_height,
    size_t max_workspace
);

#pragma clang assume_nonnull end
