// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The exponential function for eight numbers at once.
///
/// Own code instead of the C library's so that probabilities, and with them what a seed draws, are the same on every
/// operating system; and several times faster.
package enum VectorExp {
    /// Arguments up to this one (a little above the smallest normal float) and NaN give 0.
    package static let least: Float = -87

    /// e^x for x ≤ 0, with a relative error below 2e-7.
    ///
    /// x = n·ln 2 + r with |r| ≤ ln 2 / 2, e^r by its Taylor series up to r⁷ in Horner's form, times 2ⁿ through the
    /// exponent bits.
    @inline(__always)
    package static func exp(_ x: SIMD8<Float>) -> SIMD8<Float> {
        let isPresent = x .> least
        let x = SIMD8<Float>(repeating: 0).replacing(with: x, where: isPresent)
        // Adding 1.5·2²³ rounds to an integer and leaves it in the low bits.
        let magic: Float = 12_582_912
        let shifted = x * 1.442_695_04 + magic
        let n = shifted - magic
        // ln 2 in two parts; n times the first is exact.
        let r = (x - n * 0.693_359_375) + n * 2.121_944_4e-4
        var y = r * (1 / 5040) + 1 / 720
        y = y * r + 1 / 120
        y = y * r + 1 / 24
        y = y * r + 1 / 6
        y = y * r + 0.5
        y = y * r + 1
        y = y * r + 1
        let exponent = unsafeBitCast(shifted, to: SIMD8<Int32>.self) &- Int32(bitPattern: magic.bitPattern)
        let power = unsafeBitCast((exponent &+ 127) &<< 23, to: SIMD8<Float>.self)
        return SIMD8<Float>(repeating: 0).replacing(with: y * power, where: isPresent)
    }
}
