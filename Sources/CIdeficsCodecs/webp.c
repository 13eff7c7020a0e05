// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"

#include <webp/decode.h>

static idf_codec_status report(idf_decoder *decoder, VP8StatusCode code) {
    idf_codec_status status = IDF_CODEC_CORRUPT;
    const char *message = "invalid bitstream";
    switch (code) {
        case VP8_STATUS_OK: return IDF_CODEC_OK;
        case VP8_STATUS_OUT_OF_MEMORY:
            status = IDF_CODEC_OUT_OF_MEMORY;
            message = "out of memory";
            break;
        case VP8_STATUS_SUSPENDED:
        case VP8_STATUS_NOT_ENOUGH_DATA:
            status = IDF_CODEC_TRUNCATED;
            message = "the data ends before the image does";
            break;
        case VP8_STATUS_UNSUPPORTED_FEATURE:
            status = IDF_CODEC_UNSUPPORTED;
            message = "unsupported feature";
            break;
        default: break;
    }
    snprintf(decoder->message, sizeof decoder->message, "%s", message);
    return status;
}

idf_codec_status idf_webp_read_header(idf_decoder *decoder) {
    WebPBitstreamFeatures features;
    VP8StatusCode code = WebPGetFeatures(decoder->data, decoder->size, &features);
    if (code != VP8_STATUS_OK) return report(decoder, code);
    if (features.has_animation) {
        snprintf(decoder->message, sizeof decoder->message, "animation");
        return IDF_CODEC_UNSUPPORTED;
    }
    idf_image_info *out = &decoder->info;
    out->width = (uint32_t)features.width;
    out->height = (uint32_t)features.height;
    out->bit_depth = 8;
    out->layout = features.has_alpha ? IDF_LAYOUT_RGBA : IDF_LAYOUT_RGB;
    out->bytes_per_pixel = features.has_alpha ? 4 : 3;
    return IDF_CODEC_OK;
}

idf_codec_status idf_webp_read_pixels(idf_decoder *decoder, uint8_t *pixels, size_t size) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return report(decoder, VP8_STATUS_INVALID_PARAM);
    config.output.colorspace = decoder->info.layout == IDF_LAYOUT_RGBA ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = (int)(decoder->info.width * decoder->info.bytes_per_pixel);
    config.output.u.RGBA.size = size;
    VP8StatusCode code = WebPDecode(decoder->data, decoder->size, &config);
    WebPFreeDecBuffer(&config.output);
    return report(decoder, code);
}
