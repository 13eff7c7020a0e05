// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// The chunks of a PNG, read by Pillow's rules, which are wider than libpng's: before the pixels, chunks may come in any
// order, twice, with more in them than belongs there, or be unknown; a palette may be missing, of any length, and shorter
// than the opacities that go with it.

#include "decoder.h"

#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

// No chunk is longer, whatever its four bytes say.
static const size_t longest_chunk = 0x7fffffff;

static size_t big_endian(const uint8_t *bytes) {
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

static bool is_named(const uint8_t *chunk, const char *name) { return memcmp(chunk + 4, name, 4) == 0; }

static bool has_name(const uint8_t *chunk) {
    for (int i = 4; i < 8; i++) {
        const uint8_t c = chunk[i];
        const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_') return false;
    }
    return true;
}

static void check_sum(idf_decoder *decoder, const uint8_t *chunk, size_t length) {
    if (crc32(0, chunk + 4, (uInt)(length + 4)) != big_endian(chunk + 8 + length)) {
        idf_decoder_fail(decoder, IDF_CODEC_CORRUPT, "the checksum of the header or the palette is wrong");
    }
}

static void put_big_endian(uint8_t *bytes, size_t value) {
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

// Adds a chunk to what libpng reads.
static void append(idf_decoder *decoder, const char *name, const uint8_t *content, size_t length) {
    uint8_t *chunk = decoder->png.start + decoder->png.start_size;
    put_big_endian(chunk, length);
    memcpy(chunk + 4, name, 4);
    memcpy(chunk + 8, content, length);
    put_big_endian(chunk + 8 + length, crc32(0, chunk + 4, (uInt)(length + 4)));
    decoder->png.start_size += length + 12;
}

// 256 colors; those that the file does not have are black, as in Pillow.
static void make_palette(idf_decoder *decoder, const uint8_t *colors, size_t size) {
    uint8_t *rgba = decoder->png.palette;
    if (size / 3 > 256) idf_decoder_fail(decoder, IDF_CODEC_CORRUPT, "the palette has more than 256 colors");
    for (size_t i = 0; i < 256; i++) {
        if (i < size / 3) memcpy(rgba + 4 * i, colors + 3 * i, 3);
        rgba[4 * i + 3] = i < decoder->png.transparency_size ? decoder->png.transparency[i] : 255;
    }
}

// Looks at everything before the pixels, and lays out what libpng needs of it as libpng wants it; jumps on damage.
void idf_png_read_chunks(idf_decoder *decoder) {
    const uint8_t *header = NULL, *colors = NULL;
    size_t colors_size = 0;
    size_t offset = 8;
    while (true) {
        if (decoder->size < 12 || offset > decoder->size - 12) {
            idf_decoder_fail(decoder, IDF_CODEC_TRUNCATED, "the data ends before the image does");
        }
        const uint8_t *chunk = decoder->data + offset;
        const size_t length = big_endian(chunk);
        if (length > longest_chunk || !has_name(chunk)) {
            idf_decoder_fail(decoder, IDF_CODEC_CORRUPT, "something else is where a chunk should be");
        }
        if (is_named(chunk, "IDAT")) break;
        if (is_named(chunk, "IEND")) idf_decoder_fail(decoder, IDF_CODEC_CORRUPT, "it has no pixels");
        if (length > decoder->size - offset - 12) {
            idf_decoder_fail(decoder, IDF_CODEC_TRUNCATED, "the data ends before the image does");
        }
        if (is_named(chunk, "IHDR")) {
            if (length < 13) idf_decoder_fail(decoder, IDF_CODEC_CORRUPT, "the header is too short");
            check_sum(decoder, chunk, length);
            header = chunk + 8;
        } else if (is_named(chunk, "PLTE")) {
            // Of other images it is a suggestion, which nobody takes.
            if (header != NULL && header[9] == PNG_COLOR_TYPE_PALETTE) check_sum(decoder, chunk, length);
            colors = chunk + 8;
            colors_size = length;
        } else if (is_named(chunk, "tRNS")) {
            decoder->png.transparency = chunk + 8;
            decoder->png.transparency_size = length;
        }
        offset += length + 12;
    }
    if (header == NULL) idf_decoder_fail(decoder, IDF_CODEC_CORRUPT, "it has no header before its pixels");
    decoder->png.pixels_at = offset;

    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    memcpy(decoder->png.start, signature, 8);
    decoder->png.start_size = 8;
    uint8_t clean[13];
    memcpy(clean, header, 13);
    clean[10] = 0;  // the one method of compression there is
    clean[12] = header[12] != 0;
    append(decoder, "IHDR", clean, 13);
    if (header[9] == PNG_COLOR_TYPE_PALETTE) {
        make_palette(decoder, colors, colors_size);
        // libpng is only asked for indices.
        append(decoder, "PLTE", decoder->png.palette, 3);
    }
}

// How many bytes the pixels inflate to, if their stream is whole and has no more than `limit`; else 0.
size_t idf_png_stream_length(const idf_decoder *decoder, size_t limit) {
    z_stream stream = {0};
    if (inflateInit(&stream) != Z_OK) return 0;
    uint8_t buffer[4096];
    size_t total = 0, offset = decoder->png.pixels_at;
    int status = Z_OK;
    while (status == Z_OK && offset <= decoder->size - 8) {
        const uint8_t *chunk = decoder->data + offset;
        if (!is_named(chunk, "IDAT")) break;
        const size_t length = big_endian(chunk), left = decoder->size - offset - 8;
        if (length > longest_chunk) break;
        stream.next_in = chunk + 8;
        stream.avail_in = (uInt)(length < left ? length : left);
        do {
            stream.next_out = buffer;
            stream.avail_out = sizeof buffer;
            status = inflate(&stream, Z_NO_FLUSH);
            total += sizeof buffer - stream.avail_out;
        } while (status == Z_OK && total <= limit && (stream.avail_in > 0 || stream.avail_out == 0));
        if (status == Z_BUF_ERROR) status = Z_OK;  // it goes on in the next chunk
        if (total > limit || length + 4 > left) break;
        offset += length + 12;
    }
    inflateEnd(&stream);
    return status == Z_STREAM_END && total <= limit ? total : 0;
}
