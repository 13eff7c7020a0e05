// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import CIdeficsCodecs
import IdeficsFoundation

/// Decodes the first frame of a GIF onto its canvas, as Pillow shows it.
///
/// What the frame does not cover is transparent if the frame has a transparent color, else color 0. A frame that reaches
/// outside the canvas enlarges it. Nothing after the first frame is looked at.
struct GIFDecoder {
    private let file: ByteReader
    private let limits: ImageLimits

    init(_ bytes: UnsafeRawBufferPointer, limits: ImageLimits) {
        file = ByteReader(bytes)
        self.limits = limits
    }

    func decode(conversion: ImageConversion) throws -> RGBImage {
        let frame = try readFrameHeader()
        let width = max(frame.canvasWidth, frame.left + frame.width)
        let height = max(frame.canvasHeight, frame.top + frame.height)
        guard frame.width > 0, frame.height > 0 else {
            throw ImageError.corrupt(.gif, reason: "it declares a frame of \(frame.width)×\(frame.height)")
        }
        try limits.check(width: width, height: height, format: .gif)

        let indices = try LZWDecoder(file, dataOffset: frame.dataOffset).decode(count: frame.width * frame.height)
        var pixels = [UInt8](repeating: UInt8(frame.transparent ?? 0), count: width * height)
        for (row, y) in frame.rows.enumerated() {
            let target = (frame.top + y) * width + frame.left
            let source = row * frame.width
            pixels.replaceSubrange(target..<(target + frame.width), with: indices[source..<(source + frame.width)])
        }

        var info = idf_image_info()
        info.width = UInt32(width)
        info.height = UInt32(height)
        info.layout = IDF_LAYOUT_PALETTE
        info.bytes_per_pixel = 1
        info.bit_depth = 8
        info.transparent_gray = -1
        return CodecImage(info: info, palette: frame.palette, pixels: pixels).rgb(conversion)
    }

    // MARK: - Structure

    private struct Frame {
        var canvasWidth = 0
        var canvasHeight = 0
        var left = 0
        var top = 0
        var width = 0
        var height = 0
        var transparent: Int?
        var isInterlaced = false
        /// 256 RGBA colors.
        var palette: [UInt8] = []
        var dataOffset = 0

        /// The rows in the order in which they are stored.
        var rows: [Int] {
            guard isInterlaced else { return Array(0..<height) }
            return [(0, 8), (4, 8), (2, 4), (1, 2)].flatMap { start, step in
                Array(stride(from: start, to: height, by: step))
            }
        }
    }

    private func byte(_ offset: Int) throws -> Int {
        guard let byte = file.u8(offset) else { throw ImageError.truncated(.gif) }
        return byte
    }

    private func short(_ offset: Int) throws -> Int {
        guard let short = file.integer(offset, size: 2, bigEndian: false) else { throw ImageError.truncated(.gif) }
        return short
    }

    private func readFrameHeader() throws -> Frame {
        var frame = Frame()
        frame.canvasWidth = try short(6)
        frame.canvasHeight = try short(8)
        let flags = try byte(10)
        var offset = 13
        var colors = try readColors(flags: flags, &offset)
        while true {
            let block = try byte(offset)
            offset += 1
            switch block {
            case 0x21:  // extension: label, then sub-blocks
                // Of two, one that sets no color leaves the other's.
                if try byte(offset) == 0xF9, try byte(offset + 1) >= 4, try byte(offset + 2) & 1 != 0 {
                    frame.transparent = try byte(offset + 5)
                }
                offset += 1
                while case let size = try byte(offset), size != 0 { offset += 1 + size }
                offset += 1
            case 0x2C:  // image
                frame.left = try short(offset)
                frame.top = try short(offset + 2)
                frame.width = try short(offset + 4)
                frame.height = try short(offset + 6)
                let flags = try byte(offset + 8)
                frame.isInterlaced = flags & 0x40 != 0
                offset += 9
                if let local = try readColors(flags: flags, &offset) { colors = local }
                frame.dataOffset = offset
                frame.palette = palette(colors, transparent: frame.transparent)
                return frame
            case 0x3B:
                throw ImageError.corrupt(.gif, reason: "it has no image")
            default:  // junk between blocks, skipped as in Pillow
                continue
            }
        }
    }

    private func readColors(flags: Int, _ offset: inout Int) throws -> UnsafeRawBufferPointer? {
        guard flags & 0x80 != 0 else { return nil }
        let size = 3 << (flags & 7 + 1)
        guard let colors = file.slice(offset, count: size) else { throw ImageError.truncated(.gif) }
        offset += size
        return colors
    }

    /// RGBA for every index.
    ///
    /// Without a table, or with one that is a ramp of greys, an index is a grey value.
    private func palette(_ colors: UnsafeRawBufferPointer?, transparent: Int?) -> [UInt8] {
        let isRamp = colors.map { table in table.indices.allSatisfy { Int(table[$0]) == $0 / 3 } } ?? true
        var palette: [UInt8] = []
        palette.reserveCapacity(1024)
        for index in 0..<256 {
            for channel in 0..<3 {
                let entry = 3 * index + channel
                if isRamp {
                    palette.append(UInt8(index))
                } else if let colors, entry < colors.count {
                    palette.append(colors[entry])
                } else {
                    palette.append(0)
                }
            }
            palette.append(index == transparent ? 0 : 255)
        }
        return palette
    }
}
