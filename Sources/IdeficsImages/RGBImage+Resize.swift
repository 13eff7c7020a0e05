// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import CIdeficsCodecs

extension RGBImage {
    /// The longest side ``resized(width:height:)`` produces.
    public static let maxResizedSide = 16_384

    /// The image at another size, by Pillow's antialiased bicubic on 8-bit samples.
    ///
    /// Bit for bit what `Image.resize((width, height), Image.BICUBIC)` gives in Pillow up to version 12 (horizontal pass
    /// first, a pass skipped where the size does not change). Pillow 13 takes the vertical pass first where the height
    /// shrinks by more than twice as many pixels as the width. Its samples differ there, on noise by up to 21 levels of 255
    /// (measured at 32 pixels; up to 18 at 224); transformers' checkpoints were trained before it. The aspect ratio is not
    /// kept. Throws
    /// ``ImageError/invalidSize(width:height:maxSide:)`` or ``ImageError/outOfMemory(width:height:)``.
    public func resized(width newWidth: Int, height newHeight: Int) throws -> RGBImage {
        try resized(width: newWidth, height: newHeight, with: idf_resize_bicubic_rgb)
    }

    /// The same in plain C, without the processor's vector instructions: what ``resized(width:height:)`` must equal.
    package func resizedPortably(width newWidth: Int, height newHeight: Int) throws -> RGBImage {
        try resized(width: newWidth, height: newHeight, with: idf_resize_bicubic_rgb_portable)
    }

    private typealias Kernel = (
        UnsafeMutablePointer<UInt8>, UnsafePointer<UInt8>, UInt32, UInt32, UInt32, UInt32, Int
    ) -> Int32

    private func resized(width newWidth: Int, height newHeight: Int, with kernel: Kernel) throws -> RGBImage {
        guard (1...Self.maxResizedSide).contains(newWidth), (1...Self.maxResizedSide).contains(newHeight),
            // The kernel counts pixels of a side in 32 bits and steps through weights of a few bytes each.
            width <= 1 << 24, height <= 1 << 24
        else { throw ImageError.invalidSize(width: newWidth, height: newHeight, maxSide: Self.maxResizedSide) }
        if newWidth == width, newHeight == height { return self }

        var status: Int32 = 0
        let resized = [UInt8](unsafeUninitializedCapacity: newWidth * newHeight * 3) { out, count in
            // SAFETY: the kernel writes exactly the newWidth · newHeight · 3 bytes `out` has room for, and reads exactly the
            // width · height · 3 bytes the initializer of this type guarantees.
            pixels.withUnsafeBufferPointer { pixels in
                guard let destination = out.baseAddress, let source = pixels.baseAddress else { return }
                status = kernel(
                    destination,
                    source,
                    UInt32(newWidth),
                    UInt32(newHeight),
                    UInt32(width),
                    UInt32(height),
                    1 << 30
                )
                count = status == 0 ? newWidth * newHeight * 3 : 0
            }
        }
        guard status == 0 else { throw ImageError.outOfMemory(width: width, height: height) }
        return RGBImage(uncheckedWidth: newWidth, height: newHeight, pixels: resized)
    }
}
