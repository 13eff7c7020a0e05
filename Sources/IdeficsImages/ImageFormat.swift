// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// An image file format this module decodes.
public enum ImageFormat: String, Sendable, CaseIterable, CustomStringConvertible {
    /// JPEG, baseline or progressive: grey, color or CMYK.
    case jpeg = "JPEG"
    /// PNG of every color type and bit depth.
    case png = "PNG"
    /// WebP, lossy or lossless; of an animation the first frame.
    case webp = "WebP"
    /// GIF; of an animation the first frame.
    case gif = "GIF"

    /// The format that the first bytes of a file announce, or nil; names and extensions are never consulted.
    package init?(magic bytes: UnsafeRawBufferPointer) {
        func starts(_ magic: [UInt8], at offset: Int = 0) -> Bool {
            bytes.count >= offset + magic.count && bytes[offset..<(offset + magic.count)].elementsEqual(magic)
        }
        if starts([0xFF, 0xD8, 0xFF]) {
            self = .jpeg
        } else if starts([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            self = .png
        } else if starts(Array("RIFF".utf8)), starts(Array("WEBP".utf8), at: 8) {
            self = .webp
        } else if starts(Array("GIF87a".utf8)) || starts(Array("GIF89a".utf8)) {
            self = .gif
        } else {
            return nil
        }
    }

    /// The format's usual name.
    public var description: String { rawValue }
}
