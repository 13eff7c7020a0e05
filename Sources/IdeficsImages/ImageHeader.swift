// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The size that an image's first bytes declare, found without reading the rest.
struct ImageHeader {
    /// Gives the bytes at an offset, as many as are there but at most so many.
    let read: (_ offset: Int, _ count: Int) throws -> [UInt8]

    /// Width and height; nil where they cannot be told so easily, which says nothing about the image.
    func size(_ format: ImageFormat) throws -> (width: Int, height: Int)? {
        switch format {
        case .png:
            let header = try read(12, 12)
            guard header.count == 12, header.starts(with: "IHDR".utf8) else { return nil }
            return (integer(header[4..<8]), integer(header[8..<12]))
        case .jpeg: return try jpegSize()
        case .webp: return webPSize(try read(12, 18))
        case .gif: return nil
        }
    }

    /// Goes from marker to marker up to the frame's header.
    private func jpegSize() throws -> (width: Int, height: Int)? {
        var offset = 2
        for _ in 0..<1000 {
            let segment = try read(offset, 9)
            guard segment.count == 9, segment[0] == 0xFF else { return nil }
            switch segment[1] {
            case 0xFF: offset += 1  // a fill byte
            case 0xC4, 0xC8, 0xCC, 0xE0...0xEF, 0xDB, 0xDD, 0xFE: offset += 2 + integer(segment[2..<4])
            case 0xC0...0xCF: return (integer(segment[7..<9]), integer(segment[5..<7]))
            default: return nil
            }
        }
        return nil
    }

    /// The first chunk's: of extended files the canvas, of others the image.
    private func webPSize(_ chunk: [UInt8]) -> (width: Int, height: Int)? {
        guard chunk.count == 18 else { return nil }
        func little(_ range: Range<Int>) -> Int { integer(ArraySlice(chunk[range].reversed())) }
        switch String(decoding: chunk[0..<4], as: UTF8.self) {
        case "VP8X": return (little(12..<15) + 1, little(15..<18) + 1)
        case "VP8 ": return (little(14..<16) & 0x3FFF, little(16..<18) & 0x3FFF)
        case "VP8L":
            let bits = little(9..<13)
            return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        default: return nil
        }
    }

    /// The most significant byte first.
    private func integer(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.reduce(0) { $0 << 8 | Int($1) }
    }
}
