// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#include "decoder.h"

// jerror.h's JERR_OUT_OF_MEMORY, the one libjpeg error that does not blame the file.
#include <jerror.h>

// MARK: - Callbacks

static void fail(j_common_ptr info) {
    idf_decoder *decoder = info->client_data;
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    idf_codec_status status = info->err->msg_code == JERR_OUT_OF_MEMORY ? IDF_CODEC_OUT_OF_MEMORY : IDF_CODEC_CORRUPT;
    idf_decoder_fail(decoder, status, text);
}

// Warnings (damaged entropy data, junk between markers) are not errors, as in Pillow.
static void ignore_message(j_common_ptr info, int level) {
    (void)info;
    (void)level;
}

static void ignore(j_decompress_ptr info) { (void)info; }

static boolean fill_input_buffer(j_decompress_ptr info) {
    idf_decoder_fail(info->client_data, IDF_CODEC_TRUNCATED, "the data ends before the image does");
}

static void skip_input_data(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    if ((size_t)count > info->src->bytes_in_buffer) fill_input_buffer(info);
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= (size_t)count;
}

// Called once per row of blocks while all the passes of a progressive file are gathered.
static void limit_scans(j_common_ptr common) {
    j_decompress_ptr info = (j_decompress_ptr)common;
    idf_decoder *decoder = info->client_data;
    if (info->input_scan_number > decoder->jpeg.max_scans) {
        idf_decoder_fail(decoder, IDF_CODEC_TOO_MANY_SCANS, "too many scans");
    }
}

// MARK: - Decoding

idf_codec_status idf_jpeg_read_header(idf_decoder *decoder) {
    struct jpeg_decompress_struct *info = &decoder->jpeg.info;
    if (setjmp(decoder->jump) != 0) return decoder->status;

    info->err = jpeg_std_error(&decoder->jpeg.errors);
    decoder->jpeg.errors.error_exit = fail;
    decoder->jpeg.errors.emit_message = ignore_message;
    info->client_data = decoder;
    jpeg_create_decompress(info);
    decoder->jpeg.created = true;

    decoder->jpeg.source = (struct jpeg_source_mgr){
        .next_input_byte = decoder->data,
        .bytes_in_buffer = decoder->size,
        .init_source = ignore,
        .fill_input_buffer = fill_input_buffer,
        .skip_input_data = skip_input_data,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = ignore,
    };
    info->src = &decoder->jpeg.source;
    jpeg_read_header(info, TRUE);

    idf_image_info *out = &decoder->info;
    out->width = info->image_width;
    out->height = info->image_height;
    out->bit_depth = (uint32_t)info->data_precision;
    out->bytes_per_pixel = (uint32_t)info->num_components;
    switch (info->num_components) {
        case 1:
            out->layout = IDF_LAYOUT_GRAY;
            info->out_color_space = JCS_GRAYSCALE;
            break;
        case 3:
            out->layout = IDF_LAYOUT_RGB;
            info->out_color_space = JCS_RGB;
            break;
        case 4:
            out->layout = IDF_LAYOUT_CMYK;
            info->out_color_space = JCS_CMYK;
            break;
        default:
            snprintf(decoder->message, sizeof decoder->message, "%d colour components", info->num_components);
            return IDF_CODEC_UNSUPPORTED;
    }
    return IDF_CODEC_OK;
}

idf_codec_status idf_jpeg_read_pixels(idf_decoder *decoder, uint8_t *pixels, uint32_t max_scans) {
    struct jpeg_decompress_struct *info = &decoder->jpeg.info;
    if (setjmp(decoder->jump) != 0) return decoder->status;

    // Pillow's settings: the accurate integer DCT and triangle-filter chroma upsampling.
    info->dct_method = JDCT_ISLOW;
    info->do_fancy_upsampling = TRUE;
    decoder->jpeg.max_scans = max_scans > INT32_MAX ? INT32_MAX : (int)max_scans;
    decoder->jpeg.progress.progress_monitor = limit_scans;
    info->progress = &decoder->jpeg.progress;

    jpeg_start_decompress(info);
    size_t row_bytes = (size_t)decoder->info.width * decoder->info.bytes_per_pixel;
    while (info->output_scanline < info->output_height) {
        JSAMPROW row = pixels + info->output_scanline * row_bytes;
        jpeg_read_scanlines(info, &row, 1);
    }
    // Reads on to the end-of-image marker, so a file that lacks it counts as truncated.
    jpeg_finish_decompress(info);
    return IDF_CODEC_OK;
}

void idf_jpeg_free(idf_decoder *decoder) {
    if (decoder->jpeg.created) jpeg_destroy_decompress(&decoder->jpeg.info);
}
