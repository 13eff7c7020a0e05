// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// What the codec files share. Everything lives in the heap-allocated decoder, so nothing a longjmp could clobber is in a
// local variable.

#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>

#include <jpeglib.h>
#include <png.h>

#include "idefics_codecs.h"

struct idf_decoder {
    idf_image_format format;
    const uint8_t *data;
    size_t size;
    idf_image_info info;
    idf_codec_status status;  // set by the libraries' error callbacks before they jump
    jmp_buf jump;
    char message[256];
    union {
        struct {
            struct jpeg_decompress_struct info;
            struct jpeg_error_mgr errors;
            struct jpeg_source_mgr source;
            struct jpeg_progress_mgr progress;
            int max_scans;
            bool created;
        } jpeg;
        struct {
            png_structp png;
            png_infop info;
            uint8_t start[64];  // what libpng reads in the place of everything before the pixels
            size_t start_size;
            size_t pixels_at;  // where their first chunk is
            const uint8_t *transparency;
            size_t transparency_size;
            size_t position;  // in `start` and then the file
            bool pixels_complete;
            uint8_t last_pass;  // where the last row is that is decompressed
            uint32_t last_row;
            uint32_t rows;    // decompressed so far,
            size_t inflated;  // and their bytes
            int passes;
            int pixel_bits;
            uint8_t palette[1024];
        } png;
    };
};

_Noreturn void idf_decoder_fail(idf_decoder *decoder, idf_codec_status status, const char *message);

idf_codec_status idf_jpeg_read_header(idf_decoder *decoder);
idf_codec_status idf_jpeg_read_pixels(idf_decoder *decoder, uint8_t *pixels, uint32_t max_scans);
void idf_jpeg_free(idf_decoder *decoder);

idf_codec_status idf_png_read_header(idf_decoder *decoder);
idf_codec_status idf_png_read_pixels(idf_decoder *decoder, uint8_t *pixels);
void idf_png_free(idf_decoder *decoder);
void idf_png_read_chunks(idf_decoder *decoder);
size_t idf_png_stream_length(const idf_decoder *decoder, size_t limit);

idf_codec_status idf_webp_read_header(idf_decoder *decoder);
idf_codec_status idf_webp_read_pixels(idf_decoder *decoder, uint8_t *pixels, size_t size);
