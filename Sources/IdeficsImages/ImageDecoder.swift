// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import CIdeficsCodecs
public import Foundation

/// Decodes JPEG, PNG, WebP and GIF into RGB, with the pixels Pillow would give.
///
/// The format is told by the first bytes. A file that ends before its pixels do is refused, and so is a JPEG or WebP
/// without its end, as in Pillow; a PNG or GIF may lack what follows the pixels, and a PNG may have wrong checksums there
/// and in its pixels (IDAT), lack rows at the end if its stream is whole (they are zero), and have unknown, repeated or
/// misplaced chunks before its pixels, as Pillow has it. ICC profiles and gamma are ignored, as in the reference's processor.
public enum ImageDecoder {
    /// Decodes one image.
    ///
    /// Throws ``ImageError``. Sizes are checked against `limits` before memory for the pixels is allocated.
    public static func decode(
        _ bytes: Data,
        limits: ImageLimits = ImageLimits(),
        conversion: ImageConversion = .object
    ) throws -> RGBImage {
        try limits.check(byteCount: bytes.count)
        // SAFETY: the pointer is used only inside the closure; everything returned is copied out.
        return try bytes.withUnsafeBytes { bytes in
            guard let format = ImageFormat(magic: bytes) else {
                throw ImageError.unknownFormat(prefix: Array(bytes.prefix(8)))
            }
            let image =
                switch format {
                case .gif: try GIFDecoder(bytes, limits: limits).decode(conversion: conversion)
                case .webp: try WebPContainer(bytes).decode(limits: limits, conversion: conversion)
                case .jpeg, .png: try CodecImage.decode(bytes, format, limits: limits).rgb(conversion)
                }
            guard conversion != .object else { return image }
            return image.oriented(ImageMetadata.orientation(bytes, format: format))
        }
    }
}
