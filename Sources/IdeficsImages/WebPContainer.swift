// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import CIdeficsCodecs
import IdeficsFoundation

/// The RIFF container around a WebP image, read far enough to pick the first frame of an animation.
struct WebPContainer {
    let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    struct Chunk {
        let name: String
        let offset: Int
        let payload: UnsafeRawBufferPointer
    }

    /// The chunks from `offset` to the end of `bytes`; stops at the first that is cut short.
    static func chunks(in bytes: UnsafeRawBufferPointer, from offset: Int) -> some Sequence<Chunk> {
        let reader = ByteReader(bytes)
        return sequence(state: offset) { offset -> Chunk? in
            guard let name = reader.slice(offset, count: 4),
                let size = reader.integer(offset + 4, size: 4, bigEndian: false),
                let payload = reader.slice(offset + 8, count: size)
            else { return nil }
            let chunk = Chunk(name: String(decoding: name, as: UTF8.self), offset: offset, payload: payload)
            offset += 8 + size + size & 1  // chunks are padded to even sizes
            return chunk
        }
    }

    func decode(limits: ImageLimits, conversion: ImageConversion) throws -> RGBImage {
        guard let size = ByteReader(bytes).integer(4, size: 4, bigEndian: false), size <= bytes.count - 8 else {
            throw ImageError.truncated(.webp)
        }
        guard let header = Self.chunks(in: bytes, from: 12).first(where: { _ in true }), header.name == "VP8X",
            let flags = ByteReader(header.payload).u8(0), flags & 0x02 != 0
        else {
            return try CodecImage.decode(bytes, .webp, limits: limits).rgb(conversion)
        }
        return try decodeFirstFrame(header: header.payload, hasAlpha: flags & 0x10 != 0, limits, conversion)
    }

    /// The first frame on its transparent canvas, as libwebp's animation decoder shows it.
    private func decodeFirstFrame(
        header: UnsafeRawBufferPointer,
        hasAlpha: Bool,
        _ limits: ImageLimits,
        _ conversion: ImageConversion
    ) throws -> RGBImage {
        guard let frame = Self.chunks(in: bytes, from: 12).first(where: { $0.name == "ANMF" })?.payload else {
            throw ImageError.corrupt(.webp, reason: "an animation without a complete frame")
        }
        let canvas = ByteReader(header)
        let fields = ByteReader(frame)
        guard let canvasWidth = canvas.integer(4, size: 3, bigEndian: false).map({ $0 + 1 }),
            let canvasHeight = canvas.integer(7, size: 3, bigEndian: false).map({ $0 + 1 }),
            let left = fields.integer(0, size: 3, bigEndian: false).map({ $0 * 2 }),
            let top = fields.integer(3, size: 3, bigEndian: false).map({ $0 * 2 }),
            let width = fields.integer(6, size: 3, bigEndian: false).map({ $0 + 1 }),
            let height = fields.integer(9, size: 3, bigEndian: false).map({ $0 + 1 }),
            let content = fields.slice(16, count: frame.count - 16)
        else { throw ImageError.corrupt(.webp, reason: "an incomplete frame header") }
        try limits.check(width: canvasWidth, height: canvasHeight, format: .webp)
        guard left + width <= canvasWidth, top + height <= canvasHeight else {
            throw ImageError.corrupt(.webp, reason: "a frame reaches outside the canvas")
        }

        let still = Self.stillImage(from: content, width: width, height: height)
        var image = try still.withUnsafeBytes { try CodecImage.decode($0, .webp, limits: limits) }
        guard image.width == width, image.height == height else {
            throw ImageError.corrupt(.webp, reason: "a frame's size differs from its header's")
        }
        // Onto a canvas of zeros; if it declares no transparency, what no frame covers is black.
        let depth = Int(image.info.bytes_per_pixel)
        let canvasDepth = hasAlpha ? 4 : 3
        var pixels = [UInt8](repeating: 0, count: canvasWidth * canvasHeight * canvasDepth)
        for y in 0..<height {
            for x in 0..<width {
                let source = (y * width + x) * depth
                let target = ((y + top) * canvasWidth + x + left) * canvasDepth
                for channel in 0..<3 { pixels[target + channel] = image.pixels[source + channel] }
                if canvasDepth == 4 { pixels[target + 3] = depth == 4 ? image.pixels[source + 3] : 255 }
            }
        }
        image.pixels = pixels
        image.info.width = UInt32(canvasWidth)
        image.info.height = UInt32(canvasHeight)
        image.info.layout = hasAlpha ? IDF_LAYOUT_RGBA : IDF_LAYOUT_RGB
        image.info.bytes_per_pixel = UInt32(canvasDepth)
        return image.rgb(conversion)
    }

    /// A still WebP file around a frame's chunks.
    private static func stillImage(from content: UnsafeRawBufferPointer, width: Int, height: Int) -> [UInt8] {
        func little(_ value: Int, _ size: Int) -> [UInt8] {
            (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        var body = Array("WEBP".utf8)
        if ByteReader(content).has("ALPH", at: 0) {
            body += Array("VP8X".utf8) + little(10, 4) + little(0x10, 4) + little(width - 1, 3) + little(height - 1, 3)
        }
        body += content
        return Array("RIFF".utf8) + little(body.count, 4) + body
    }
}
