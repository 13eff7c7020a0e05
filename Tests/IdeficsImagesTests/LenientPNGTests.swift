// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import Testing

/// PNGs that break rules and are read by Pillow all the same; what is expected is what Pillow 13 gives.
@Suite struct LenientPNGTests {
    private static let magic = Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])

    /// The content of IHDR for a square of `side`.
    private func header(_ side: UInt32, depth: UInt8 = 8, color: UInt8, interlace: UInt8 = 0) -> [UInt8] {
        let size: [UInt8] = Array(Data.bigEndian(side) + Data.bigEndian(side))
        return size + ([depth, color, 0, 0, interlace] as [UInt8])
    }

    private func decode(
        _ chunks: [(String, [UInt8])],
        _ conversion: ImageConversion = .object
    ) throws -> [UInt8] {
        var file = Self.magic
        for (name, content) in chunks { file += Data.pngChunk(name, content) }
        file += Data.pngChunk("IEND", [])
        return try ImageDecoder.decode(file, conversion: conversion).pixels
    }

    // MARK: - Missing rows

    private static let row: [UInt8] = [0] + (0..<24).map { 10 + $0 }

    /// A stream that is whole and ends with a row: what it lacks is zero.
    @Test func missingRowsAreZero() throws {
        let header = header(8, color: 2)
        for count in 1..<8 {
            let stream = Data.zlibStored(Array(repeating: Self.row, count: count).flatMap { $0 })
            let pixels = Array(repeating: Array(Self.row.dropFirst()), count: count).flatMap { $0 }
            let expected = pixels + [UInt8](repeating: 0, count: (8 - count) * 24)
            #expect(try decode([("IHDR", header), ("IDAT", stream)]) == expected)
            let (start, end) = (Array(stream.prefix(9)), Array(stream.dropFirst(9)))
            #expect(try decode([("IHDR", header), ("IDAT", start), ("IDAT", []), ("IDAT", end)]) == expected)
        }
    }

    @Test func streamsThatEndElsewhereAreRefused() throws {
        let header = header(8, color: 2)
        let four = Array(repeating: Self.row, count: 4).flatMap { $0 }
        var wrongSum = Data.zlibStored(four)
        wrongSum[wrongSum.count - 1] ^= 1
        let wrongFilter: [UInt8] = Array(four.dropLast(25)) + [9] + Array(Self.row.dropFirst())
        let streams: [[UInt8]] = [
            Data.zlibStored([]), Data.zlibStored(Array(four.dropLast())), Data.zlibStored(four + [0]), wrongSum,
            Array(Data.zlibStored(four).dropLast(5)), Data.zlibStored(wrongFilter),
        ]
        for stream in streams {
            #expect(throws: ImageError.self) { try decode([("IHDR", header), ("IDAT", stream)]) }
        }
    }

    /// Of interlaced pictures the later passes may be missing.
    @Test func missingPassesAreZero() throws {
        let header = header(8, color: 2, interlace: 1)
        let stream = Data.zlibStored([0, 1, 2, 3, 0, 4, 5, 6])
        var expected = [UInt8](repeating: 0, count: 192)
        expected.replaceSubrange(0..<3, with: [1, 2, 3])
        expected.replaceSubrange(12..<15, with: [4, 5, 6])
        #expect(try decode([("IHDR", header), ("IDAT", stream)]) == expected)
        #expect(throws: ImageError.self) {
            try decode([("IHDR", header), ("IDAT", Data.zlibStored([0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 7]))])
        }
    }

    /// Rows of less than a byte a pixel.
    @Test(arguments: [1, 2, 4] as [UInt8]) func missingRowsOfFewBits(_ depth: UInt8) throws {
        let row: [UInt8] = [0] + [UInt8](repeating: 0xFF, count: Int(depth))
        let pixels = try decode([("IHDR", header(8, depth: depth, color: 0)), ("IDAT", Data.zlibStored(row))])
        let expected = [UInt8](repeating: 255, count: 24) + [UInt8](repeating: 0, count: 7 * 24)
        #expect(pixels == expected)
    }

    // MARK: - Chunks before the pixels

    private static let colors: [UInt8] = [10, 20, 30, 40, 50, 60]
    /// 2×2 pixels: the two colors, and two that the palette does not have.
    private static let indices = Data.zlibStored([0, 0, 1, 0, 2, 200])

    private func indexed(_ chunks: [(String, [UInt8])], _ conversion: ImageConversion = .object) throws -> [UInt8] {
        try decode([("IHDR", header(2, color: 3))] + chunks + [("IDAT", Self.indices)], conversion)
    }

    @Test func opacitiesOfPalettesWhereverTheyAre() throws {
        let palette = ("PLTE", Self.colors)
        let black: [UInt8] = [0, 0, 0]
        let (first, second): ([UInt8], [UInt8]) = ([10, 20, 30], [40, 50, 60])
        let white: [UInt8] = [255, 255, 255]
        let expected: [UInt8] = white + second + black + black
        #expect(try indexed([palette, ("tRNS", [0])]) == expected)
        #expect(try indexed([("tRNS", [0]), palette]) == expected)
        // More opacities than colors; also those of colors that are not there count.
        #expect(try indexed([palette, ("tRNS", [0, 255, 255, 9])]) == expected)
        let hole: [UInt8] = first + second + white + black
        #expect(try indexed([palette, ("tRNS", [255, 255, 0])]) == hole)
        let all = [UInt8](repeating: 0, count: 256)
        #expect(try indexed([palette, ("tRNS", all)]) == [UInt8](repeating: 255, count: 12))
        let shown: [UInt8] = first + second + black + black
        #expect(try indexed([palette, ("tRNS", all)], .url) == shown)
    }

    @Test func palettesOfAnyLength() throws {
        let black: [UInt8] = [0, 0, 0]
        let expected = Self.colors + black + black
        #expect(try indexed([("PLTE", Self.colors)]) == expected)
        #expect(try indexed([("PLTE", Self.colors + [7])]) == expected)
        #expect(try indexed([("PLTE", Self.colors + [7, 8])]) == expected)
        #expect(try indexed([]) == [UInt8](repeating: 0, count: 12))
        #expect(try indexed([("PLTE", [])]) == [UInt8](repeating: 0, count: 12))
        #expect(throws: ImageError.self) { try indexed([("PLTE", [UInt8](repeating: 0, count: 771))]) }
    }

    @Test func chunksThatDoNotBelongThere() throws {
        let header = header(8, color: 2)
        let pixels = ("IDAT", Data.zlibStored(Array(repeating: Self.row, count: 8).flatMap { $0 }))
        let expected = try decode([("IHDR", header), pixels])
        #expect(try decode([("IHDR", header), ("XXXX", [1, 2]), pixels]) == expected)
        #expect(try decode([("IHDR", header), ("a1b2", []), pixels]) == expected)
        #expect(try decode([("tEXt", Array("a\0b".utf8)), ("IHDR", header), pixels]) == expected)
        #expect(try decode([("IHDR", header), ("IHDR", header), pixels]) == expected)
        #expect(try decode([("IHDR", header + [0]), pixels]) == expected)
        var method = header
        method[10] = 1
        #expect(try decode([("IHDR", method), pixels]) == expected)
        #expect(try decode([("IHDR", header), ("PLTE", [1]), pixels]) == expected)
        method[11] = 1  // of filters: unknown to Pillow, too
        #expect(throws: ImageError.self) { try decode([("IHDR", method), pixels]) }
        #expect(throws: ImageError.self) { try decode([("IHDR", Array(header.dropLast())), pixels]) }
        #expect(throws: ImageError.self) { try decode([("IHDR", header), ("\0\0\0\0", []), pixels]) }
        #expect(throws: ImageError.self) { try decode([pixels]) }
        #expect(throws: ImageError.self) { try decode([("IHDR", header)]) }
    }

    /// A wrong checksum of what the picture is made with.
    @Test func palettesWithWrongSumsAreRefused() {
        var palette = Data.pngChunk("PLTE", Self.colors)
        palette[palette.count - 1] ^= 1
        var file = Self.magic
        for chunk in [
            Data.pngChunk("IHDR", header(2, color: 3)), palette, Data.pngChunk("IDAT", Self.indices),
            Data.pngChunk("IEND", []),
        ] { file += chunk }
        #expect(throws: ImageError.self) { try ImageDecoder.decode(file) }
    }
}
