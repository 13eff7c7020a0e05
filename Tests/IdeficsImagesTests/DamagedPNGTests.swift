// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import Testing

/// PNGs with damage that Pillow does not mind, and with damage it does.
@Suite struct DamagedPNGTests {
    /// A picture of 5×3 in two IDAT chunks, stored without compression.
    private static let size = (width: 5, height: 3)

    private static var pixels: [UInt8] {
        let count: Int = size.width * size.height * 3
        return (0..<count).map { UInt8($0 * 5 % 251) }
    }

    /// The zlib stream of the rows: one stored block and its Adler-32.
    private static var stream: [UInt8] {
        var rows: [UInt8] = []
        for y in 0..<size.height {
            rows.append(0)
            rows += pixels[y * size.width * 3..<(y + 1) * size.width * 3]
        }
        return Data.zlibStored(rows)
    }

    private static var chunks: [Data] {
        [
            Data.pngHeader(width: UInt32(size.width), height: UInt32(size.height)),
            Data.pngChunk("IDAT", Array(stream.prefix(20))), Data.pngChunk("IDAT", Array(stream.dropFirst(20))),
            Data.pngChunk("IEND", []),
        ]
    }

    private func decode(_ chunks: [Data]) throws -> [UInt8] {
        try ImageDecoder.decode(Data(chunks.joined())).pixels
    }

    /// `chunk` with another last byte of its checksum.
    private func damaged(_ chunk: Data) -> Data {
        var chunk = chunk
        chunk[chunk.endIndex - 1] ^= 0x55
        return chunk
    }

    @Test func wrongSumsOfPixelsAndAfterThemAreRead() throws {
        let whole = Self.chunks
        #expect(try decode(whole) == Self.pixels)
        for index in 1...3 {
            var chunks = whole
            chunks[index] = damaged(chunks[index])
            #expect(try decode(chunks) == Self.pixels, "chunk \(index)")
        }
        let text = damaged(Data.pngChunk("tEXt", Array("a\0b".utf8)))
        for place in [1, 3] {
            var chunks = whole
            chunks.insert(text, at: place)
            #expect(try decode(chunks) == Self.pixels, "before chunk \(place)")
        }
    }

    /// Nor is a stream of pixels whose own sum, its Adler-32, is wrong.
    @Test func aWrongSumOfTheHeaderIsRefused() {
        var chunks = Self.chunks
        var end = Array(Self.stream.dropFirst(20))
        end[end.count - 1] ^= 1
        chunks[2] = Data.pngChunk("IDAT", end)
        #expect(throws: ImageError.self) { try decode(chunks) }
        chunks = Self.chunks
        chunks[0] = damaged(chunks[0])
        #expect(throws: ImageError.self) { try decode(chunks) }
    }

    /// What follows the pixels (their checksums, the end) may be missing; of the pixels nothing.
    @Test func aFileMayEndAfterItsPixels() throws {
        let whole = Data(Self.chunks.joined())
        let end = 12 + 4 + 4  // IEND, the chunk's checksum, the stream's
        for length in whole.count - end..<whole.count {
            #expect(try ImageDecoder.decode(whole.prefix(length)).pixels == Self.pixels, "\(length)")
        }
        for length in [whole.count - end - 1, whole.count - end - 20, 60, 34] {
            #expect(throws: ImageError.self, "\(length)") { try ImageDecoder.decode(whole.prefix(length)) }
        }
        // A chunk that says it is longer than the file.
        var chunks = Self.chunks
        chunks[2] = Data.pngChunk("IDAT", Array(Self.stream.dropFirst(20)), length: 5000)
        #expect(try decode(Array(chunks.prefix(3))) == Self.pixels)
    }

    @Test func limitsAreNamed() {
        let limits = ImageLimits(maxPixels: 14, pixelsSetting: "--max-image-pixels", bytesSetting: "data.maxImageBytes")
        let file = Data(Self.chunks.joined())
        let error = #expect(throws: ImageError.self) { try ImageDecoder.decode(file, limits: limits) }
        #expect(error?.description.contains("raise --max-image-pixels") == true)
        var narrow = limits
        narrow.maxSide = 4
        let third = #expect(throws: ImageError.self) { try ImageDecoder.decode(file, limits: narrow) }
        #expect(third?.description.contains("4 pixels to a side, which no setting raises") == true)
        var few = limits
        few.maxBytes = 10
        let other = #expect(throws: ImageError.self) { try ImageDecoder.decode(file, limits: few) }
        #expect(other?.description.contains("raise data.maxImageBytes") == true)
    }
}
