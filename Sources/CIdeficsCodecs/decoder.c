// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"

#include <stdlib.h>
#include <string.h>

idf_decoder *idf_decoder_new(idf_image_format format, const uint8_t *data, size_t size) {
    idf_decoder *decoder = calloc(1, sizeof(idf_decoder));
    if (decoder == NULL) return NULL;
    decoder->format = format;
    decoder->data = data;
    decoder->size = size;
    return decoder;
}

idf_codec_status idf_decoder_read_header(idf_decoder *decoder, idf_image_info *info) {
    idf_codec_status status = IDF_CODEC_UNSUPPORTED;
    decoder->info.transparent_gray = -1;
    switch (decoder->format) {
        case IDF_FORMAT_JPEG: status = idf_jpeg_read_header(decoder); break;
        case IDF_FORMAT_PNG: status = idf_png_read_header(decoder); break;
        case IDF_FORMAT_WEBP: status = idf_webp_read_header(decoder); break;
    }
    *info = decoder->info;
    return status;
}

idf_codec_status idf_decoder_read_pixels(idf_decoder *decoder, uint8_t *pixels, size_t size, uint32_t max_scans) {
    const idf_image_info *info = &decoder->info;
    if (size == 0 || size / info->bytes_per_pixel / info->width != info->height) return IDF_CODEC_OUT_OF_MEMORY;
    switch (decoder->format) {
        case IDF_FORMAT_JPEG: return idf_jpeg_read_pixels(decoder, pixels, max_scans);
        case IDF_FORMAT_PNG: return idf_png_read_pixels(decoder, pixels);
        case IDF_FORMAT_WEBP: return idf_webp_read_pixels(decoder, pixels, size);
    }
    return IDF_CODEC_UNSUPPORTED;
}

void idf_decoder_palette(const idf_decoder *decoder, uint8_t *rgba) {
    if (decoder->format == IDF_FORMAT_PNG) {
        memcpy(rgba, decoder->png.palette, sizeof decoder->png.palette);
    } else {
        memset(rgba, 0, 1024);
    }
}

const char *idf_decoder_message(const idf_decoder *decoder) { return decoder->message; }

void idf_decoder_fail(idf_decoder *decoder, idf_codec_status status, const char *message) {
    decoder->status = status;
    snprintf(decoder->message, sizeof decoder->message, "%s", message);
    longjmp(decoder->jump, 1);
}

void idf_decoder_free(idf_decoder *decoder) {
    if (decoder->format == IDF_FORMAT_JPEG) idf_jpeg_free(decoder);
    if (decoder->format == IDF_FORMAT_PNG) idf_png_free(decoder);
    free(decoder);
}
