// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import CIdeficsCodecs

/// Turns decoded pixels of any layout into RGB exactly as Pillow does.
///
/// Pillow's own rules, kept so that equal files give equal tensors: 16-bit grey is *clipped* at 255 (other 16-bit samples
/// lose their low byte); grey below 8 bits is spread over 0...255; a grey value that tRNS names transparent is compared,
/// by its low byte, with the 8-bit grey; palette indices the file does not define are opaque black.
struct PixelConversion {
    let layout: idf_pixel_layout
    let bitDepth: Int
    let transparentGray: Int?
    /// 256 RGBA colors, for the palette layout.
    let palette: [UInt8]
    let conversion: ImageConversion

    /// RGB from `count` pixels in `source`; both buffers hold exactly that many.
    func convert(_ source: UnsafeBufferPointer<UInt8>, into rgb: UnsafeMutableBufferPointer<UInt8>, count: Int) {
        switch layout {
        case IDF_LAYOUT_GRAY, IDF_LAYOUT_PALETTE:
            let table = colorTable
            for i in 0..<count { Self.store(table[Int(source[i])], rgb, i) }
        case IDF_LAYOUT_GRAY16:
            let table = colorTable
            for i in 0..<count { Self.store(table[source[2 * i] == 0 ? Int(source[2 * i + 1]) : 255], rgb, i) }
        case IDF_LAYOUT_GRAY_ALPHA:
            for i in 0..<count {
                let gray = source[2 * i]
                Self.store(composited((gray, gray, gray), alpha: source[2 * i + 1]), rgb, i)
            }
        case IDF_LAYOUT_RGBA:
            for i in 0..<count {
                let color = (source[4 * i], source[4 * i + 1], source[4 * i + 2])
                Self.store(composited(color, alpha: source[4 * i + 3]), rgb, i)
            }
        case IDF_LAYOUT_CMYK:
            for i in 0..<count {
                let black = source[4 * i + 3]
                let color = (
                    Self.inked(source[4 * i], black), Self.inked(source[4 * i + 1], black),
                    Self.inked(source[4 * i + 2], black)
                )
                Self.store(color, rgb, i)
            }
        default:  // already RGB
            for i in 0..<(3 * count) { rgb[i] = source[i] }
        }
    }

    private typealias Color = (UInt8, UInt8, UInt8)

    @inline(__always)
    private static func store(_ color: Color, _ rgb: UnsafeMutableBufferPointer<UInt8>, _ i: Int) {
        rgb[3 * i] = color.0
        rgb[3 * i + 1] = color.1
        rgb[3 * i + 2] = color.2
    }

    /// The final color of each stored 8-bit value.
    private var colorTable: [Color] {
        (0..<256).map { value in
            if layout == IDF_LAYOUT_PALETTE {
                let color = (palette[4 * value], palette[4 * value + 1], palette[4 * value + 2])
                return composited(color, alpha: palette[4 * value + 3])
            }
            let largest = bitDepth < 8 ? 1 << bitDepth - 1 : 255
            let gray = UInt8(min(value, largest) * 255 / largest)
            // Pillow names the transparent value of a bilevel image after scaling it, of other depths as stored.
            let transparent =
                bitDepth == 1 ? transparentGray.map { $0 == 0 ? 0 : 255 } : transparentGray.map { $0 & 255 }
            return composited((gray, gray, gray), alpha: transparent == Int(gray) ? 0 : 255)
        }
    }

    /// `round((c · a + 255 · (255 − a)) / 255)`; never a tie, 255 being odd.
    @inline(__always)
    private func composited(_ color: Color, alpha: UInt8) -> Color {
        if alpha == 255 || conversion == .url { return color }
        func over(_ c: UInt8) -> UInt8 {
            UInt8((Int32(c) * Int32(alpha) + 255 * (255 - Int32(alpha)) + 127) / 255)
        }
        return (over(color.0), over(color.1), over(color.2))
    }

    /// What is left of white after one ink and black, both stored inverted: Pillow's CMYK to RGB.
    @inline(__always)
    private static func inked(_ ink: UInt8, _ black: UInt8) -> UInt8 {
        let product = (255 - Int32(ink)) * Int32(black) + 128
        return UInt8(max(0, Int32(black) - ((product >> 8) + product) >> 8))
    }
}
