// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// A decoded image: interleaved 8-bit RGB, rows from top to bottom.
public struct RGBImage: Sendable, Hashable {
    /// The width in pixels.
    public let width: Int
    /// The height in pixels.
    public let height: Int
    /// `[height, width, 3]`: red, green, blue of each pixel, without padding.
    public let pixels: [UInt8]

    /// Wraps pixels, laid out `[height, width, 3]`.
    ///
    /// Throws ``ImageError/invalidImage(width:height:byteCount:)`` unless both sides are positive and `pixels` has exactly
    /// `width · height · 3` bytes.
    public init(width: Int, height: Int, pixels: [UInt8]) throws {
        guard width > 0, height > 0, pixels.count.isMultiple(of: 3), pixels.count / 3 / width == height,
            (pixels.count / 3).isMultiple(of: width)
        else { throw ImageError.invalidImage(width: width, height: height, byteCount: pixels.count) }
        self.init(uncheckedWidth: width, height: height, pixels: pixels)
    }

    init(uncheckedWidth width: Int, height: Int, pixels: [UInt8]) {
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// A hash of size and pixels, the same in every process, to find equal images cheaply.
    ///
    /// It is not cryptographic: compare images whose hashes agree with `==`.
    public var contentHash: UInt64 {
        pixels.withUnsafeBytes { IdeficsFoundation.contentHash($0, seed: UInt64(width) << 32 ^ UInt64(height)) }
    }

    /// Feeds ``contentHash`` into `hasher`.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(contentHash)
    }
}
