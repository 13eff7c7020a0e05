// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import CIdeficsCodecs

/// Pixels as one of the C libraries decoded them, before conversion to RGB.
struct CodecImage {
    var info: idf_image_info
    var palette: [UInt8]
    var pixels: [UInt8]

    var width: Int { Int(info.width) }
    var height: Int { Int(info.height) }

    /// Runs a whole decode: header, limits, pixels.
    static func decode(
        _ bytes: UnsafeRawBufferPointer,
        _ format: ImageFormat,
        limits: ImageLimits
    ) throws -> CodecImage {
        let cFormat =
            switch format {
            case .jpeg: IDF_FORMAT_JPEG
            case .png: IDF_FORMAT_PNG
            default: IDF_FORMAT_WEBP
            }
        let data = bytes.bindMemory(to: UInt8.self)
        // SAFETY: `bytes` outlives the decoder, which is freed on leaving this function.
        guard let start = data.baseAddress, let decoder = idf_decoder_new(cFormat, start, data.count) else {
            throw ImageError.outOfMemory(width: 0, height: 0)
        }
        defer { idf_decoder_free(decoder) }

        var info = idf_image_info()
        func check(_ status: idf_codec_status, scanLimit: Int = 0) throws {
            switch status {
            case IDF_CODEC_OK: return
            case IDF_CODEC_TRUNCATED: throw ImageError.truncated(format)
            case IDF_CODEC_OUT_OF_MEMORY: throw ImageError.outOfMemory(width: Int(info.width), height: Int(info.height))
            case IDF_CODEC_TOO_MANY_SCANS: throw ImageError.tooManyScans(limit: scanLimit)
            case IDF_CODEC_UNSUPPORTED:
                throw ImageError.unsupported(format, reason: String(cString: idf_decoder_message(decoder)))
            default:
                throw ImageError.corrupt(format, reason: String(cString: idf_decoder_message(decoder)))
            }
        }

        try check(idf_decoder_read_header(decoder, &info))
        try limits.check(width: Int(info.width), height: Int(info.height), format: format)
        let pixelCount = Int(info.width) * Int(info.height)
        let byteCount = pixelCount * Int(info.bytes_per_pixel)
        let scanLimit = limits.scanLimit(pixels: pixelCount)
        let pixels = try [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            guard let destination = buffer.baseAddress else { return }
            // SAFETY: the decoder writes at most byteCount bytes, and all of them when it reports success.
            try check(idf_decoder_read_pixels(decoder, destination, byteCount, UInt32(scanLimit)), scanLimit: scanLimit)
            count = byteCount
        }
        var palette: [UInt8] = []
        if info.layout == IDF_LAYOUT_PALETTE {
            palette = [UInt8](unsafeUninitializedCapacity: 1024) { buffer, count in
                guard let destination = buffer.baseAddress else { return }
                idf_decoder_palette(decoder, destination)
                count = 1024
            }
        }
        return CodecImage(info: info, palette: palette, pixels: pixels)
    }

    /// The image as RGB; an RGB image keeps its pixels without a copy.
    func rgb(_ conversion: ImageConversion) -> RGBImage {
        if info.layout == IDF_LAYOUT_RGB { return RGBImage(uncheckedWidth: width, height: height, pixels: pixels) }
        let converter = PixelConversion(
            layout: info.layout,
            bitDepth: Int(info.bit_depth),
            transparentGray: info.transparent_gray < 0 ? nil : Int(info.transparent_gray),
            palette: palette,
            conversion: conversion
        )
        let count = width * height
        let rgb = [UInt8](unsafeUninitializedCapacity: count * 3) { buffer, initialized in
            // SAFETY: `pixels` has count · bytes_per_pixel bytes, `buffer` room for count · 3; the conversion fills it.
            pixels.withUnsafeBufferPointer { converter.convert($0, into: buffer, count: count) }
            initialized = count * 3
        }
        return RGBImage(uncheckedWidth: width, height: height, pixels: rgb)
    }
}
