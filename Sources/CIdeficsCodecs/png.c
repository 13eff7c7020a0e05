// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"

#include <string.h>

// MARK: - Callbacks

static void fail(png_structp png, png_const_charp message) {
    idf_decoder *decoder = png_get_error_ptr(png);
    idf_codec_status status = decoder->status == IDF_CODEC_TRUNCATED ? IDF_CODEC_TRUNCATED : IDF_CODEC_CORRUPT;
    idf_decoder_fail(decoder, status, message);
}

static void ignore_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void read_data(png_structp png, png_bytep bytes, size_t count) {
    idf_decoder *decoder = png_get_io_ptr(png);
    const size_t start_size = decoder->png.start_size;
    while (count > 0) {
        const bool is_start = decoder->png.position < start_size;
        const size_t offset = is_start ? decoder->png.position : decoder->png.position - start_size + decoder->png.pixels_at;
        const size_t left = (is_start ? start_size : decoder->size) - offset;
        if (left == 0) idf_decoder_fail(decoder, IDF_CODEC_TRUNCATED, "the data ends before the image does");
        const size_t piece = left < count ? left : count;
        memcpy(bytes, (is_start ? decoder->png.start : decoder->data) + offset, piece);
        decoder->png.position += piece;
        bytes += piece;
        count -= piece;
    }
}

// Called for each row that is decompressed, before libpng reads on.
static void note_row(png_structp png, png_row_infop info, png_bytep row) {
    (void)info;
    (void)row;
    idf_decoder *decoder = png_get_error_ptr(png);
    const uint8_t pass = png_get_current_pass_number(png);
    const uint32_t width = decoder->info.width;
    const size_t columns = decoder->png.passes == 1 ? width : PNG_PASS_COLS(width, pass);
    decoder->png.rows++;
    decoder->png.inflated += 1 + (columns * (size_t)decoder->png.pixel_bits + 7) / 8;
    if (pass == decoder->png.last_pass && png_get_current_row_number(png) == decoder->png.last_row) {
        decoder->png.pixels_complete = true;
    }
}

// MARK: - Decoding

// Which row is the last to be decompressed.
static void find_last_row(idf_decoder *decoder, int passes) {
    const png_uint_32 width = decoder->info.width, height = decoder->info.height;
    decoder->png.last_pass = 0;
    decoder->png.last_row = height - 1;
    if (passes == 1) return;
    for (int pass = passes - 1; pass >= 0; pass--) {
        if (PNG_PASS_COLS(width, pass) == 0 || PNG_PASS_ROWS(height, pass) == 0) continue;
        decoder->png.last_pass = pass;
        while (!PNG_ROW_IN_INTERLACE_PASS(decoder->png.last_row, pass)) decoder->png.last_row--;
        return;
    }
}

// Whether the file ends within a chunk before its end marker.
static bool is_cut(const idf_decoder *decoder) {
    size_t offset = decoder->png.pixels_at;
    while (decoder->size >= 12 && offset <= decoder->size - 12) {
        const uint8_t *chunk = decoder->data + offset;
        const size_t length = (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];
        if (length > decoder->size - offset - 12) return true;
        if (memcmp(chunk + 4, "IEND", 4) == 0) return false;
        offset += length + 12;
    }
    return true;
}

// Pillow takes pixels whose stream is whole and ends with a row; what it lacks is zero.
static bool fill_missing_rows(idf_decoder *decoder, uint8_t *pixels) {
    const size_t done = decoder->png.inflated;
    if (done == 0 || idf_png_stream_length(decoder, done) != done) return false;
    if (decoder->png.passes == 1) {  // else all were zero before the first pass
        const size_t row_bytes = (size_t)decoder->info.width * decoder->info.bytes_per_pixel;
        memset(pixels + decoder->png.rows * row_bytes, 0, (decoder->info.height - decoder->png.rows) * row_bytes);
    }
    return true;
}

idf_codec_status idf_png_read_header(idf_decoder *decoder) {
    if (setjmp(decoder->jump) != 0) return decoder->status;

    idf_png_read_chunks(decoder);
    decoder->png.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, fail, ignore_warning);
    if (decoder->png.png == NULL) return IDF_CODEC_OUT_OF_MEMORY;
    png_structp png = decoder->png.png;
    decoder->png.info = png_create_info_struct(png);
    if (decoder->png.info == NULL) return IDF_CODEC_OUT_OF_MEMORY;
    png_infop info = decoder->png.info;
    png_set_read_fn(png, decoder, read_data);

    // Every ancillary chunk after the pixels is skipped unread (-1 means "all of them"; those before are not given to
    // libpng): profiles and compressed texts cannot inflate. With nothing kept, libpng's own limit on a chunk's size
    // would only refuse harmless files.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_chunk_malloc_max(png, 0);
    // The caller checks the size against its own limits.
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    // As Pillow, which checks the sums of what stands before the pixels (`idf_png_read_chunks`) and no other.
    png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
    // Bytes go to zlib a few at a time where the file was cut, so that rows before the cut do not miss what follows.
    if (is_cut(decoder)) png_set_compression_buffer_size(png, 1);
    png_read_info(png, info);

    idf_image_info *out = &decoder->info;
    int bit_depth = 0, color_type = 0;
    png_get_IHDR(png, info, &out->width, &out->height, &bit_depth, &color_type, NULL, NULL, NULL);
    out->bit_depth = (uint32_t)bit_depth;
    decoder->png.pixel_bits = png_get_channels(png, info) * bit_depth;
    switch (color_type) {
        case PNG_COLOR_TYPE_GRAY:
            out->layout = bit_depth == 16 ? IDF_LAYOUT_GRAY16 : IDF_LAYOUT_GRAY;
            out->bytes_per_pixel = bit_depth == 16 ? 2 : 1;
            if (decoder->png.transparency_size >= 2) {
                out->transparent_gray = decoder->png.transparency[0] << 8 | decoder->png.transparency[1];
            }
            break;
        case PNG_COLOR_TYPE_GRAY_ALPHA:
            out->layout = IDF_LAYOUT_GRAY_ALPHA;
            out->bytes_per_pixel = 2;
            break;
        case PNG_COLOR_TYPE_PALETTE:
            out->layout = IDF_LAYOUT_PALETTE;
            out->bytes_per_pixel = 1;
            break;
        case PNG_COLOR_TYPE_RGB:
            out->layout = IDF_LAYOUT_RGB;
            out->bytes_per_pixel = 3;
            break;
        default:
            out->layout = IDF_LAYOUT_RGBA;
            out->bytes_per_pixel = 4;
            break;
    }
    return IDF_CODEC_OK;
}

idf_codec_status idf_png_read_pixels(idf_decoder *decoder, uint8_t *pixels) {
    if (setjmp(decoder->jump) != 0) {
        // Damage after the last row is no loss, as in Pillow: not even a file that ends there.
        if (decoder->png.pixels_complete || fill_missing_rows(decoder, pixels)) return IDF_CODEC_OK;
        return decoder->status;
    }
    png_structp png = decoder->png.png;
    if (decoder->info.bit_depth < 8) png_set_packing(png);
    if (decoder->info.bit_depth == 16 && decoder->info.layout != IDF_LAYOUT_GRAY16) png_set_strip_16(png);
    const int passes = png_set_interlace_handling(png);
    decoder->png.passes = passes;
    find_last_row(decoder, passes);
    png_set_read_user_transform_fn(png, note_row);
    png_read_update_info(png, decoder->png.info);

    size_t row_bytes = (size_t)decoder->info.width * decoder->info.bytes_per_pixel;
    if (png_get_rowbytes(png, decoder->png.info) != row_bytes) {
        idf_decoder_fail(decoder, IDF_CODEC_CORRUPT, "the rows have an unexpected length");
    }
    if (passes > 1) memset(pixels, 0, row_bytes * decoder->info.height);
    for (int pass = 0; pass < passes; pass++) {
        for (size_t y = 0; y < decoder->info.height; y++) png_read_row(png, pixels + y * row_bytes, NULL);
    }
    png_read_end(png, NULL);
    return IDF_CODEC_OK;
}

void idf_png_free(idf_decoder *decoder) { png_destroy_read_struct(&decoder->png.png, &decoder->png.info, NULL); }
