// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsImages
import IdeficsTestSupport
import Testing

struct RGBImageTests {
    private func noise(_ width: Int, _ height: Int, _ random: inout SeededGenerator) throws -> RGBImage {
        let pixels = (0..<(width * height * 3)).map { _ in UInt8.random(in: 0...255, using: &random) }
        return try RGBImage(width: width, height: height, pixels: pixels)
    }

    @Test func checksItsSize() throws {
        #expect(try RGBImage(width: 2, height: 3, pixels: [UInt8](repeating: 0, count: 18)).height == 3)
        for (width, height, count) in [
            (2, 3, 17), (2, 3, 19), (0, 0, 0), (-1, -1, 3), (.max, .max, 3), (1, 0, 0), (2, 1, 9),
        ] {
            #expect(throws: ImageError.invalidImage(width: width, height: height, byteCount: count)) {
                try RGBImage(width: width, height: height, pixels: [UInt8](repeating: 0, count: count))
            }
        }
    }

    @Test func resizesAlikeOnEveryProcessor() throws {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<60 {
            let sides = (0..<4).map { _ in Int.random(in: 1...90, using: &random) }
            let image = try noise(sides[0], sides[1], &random)
            let fast = try image.resized(width: sides[2], height: sides[3])
            let plain = try image.resizedPortably(width: sides[2], height: sides[3])
            #expect(fast == plain, "\(sides)")
        }
        let long = try noise(5000, 2, &random)
        #expect(try long.resized(width: 3, height: 7) == long.resizedPortably(width: 3, height: 7))
    }

    @Test func keepsFlatColours() throws {
        for value: UInt8 in [0, 1, 127, 254, 255] {
            let image = try RGBImage(width: 9, height: 31, pixels: [UInt8](repeating: value, count: 9 * 31 * 3))
            for (width, height) in [(1, 1), (9, 5), (40, 31), (100, 100)] {
                #expect(try image.resized(width: width, height: height).pixels.allSatisfy { $0 == value })
            }
        }
    }

    @Test func keepsImagesOfTheSameSize() throws {
        var random = SeededGenerator(seed: 8)
        let image = try noise(13, 8, &random)
        #expect(try image.resized(width: 13, height: 8) == image)
    }

    @Test func refusesImpossibleSizes() throws {
        var random = SeededGenerator(seed: 9)
        let image = try noise(3, 3, &random)
        for (width, height) in [(0, 1), (1, 0), (-5, 5), (.max, 1), (1, 1 << 20)] {
            #expect(throws: ImageError.self) { try image.resized(width: width, height: height) }
        }
        // 16384 columns through a window of a million rows would need 48 GiB.
        let tall = try RGBImage(width: 1, height: 1_000_000, pixels: [UInt8](repeating: 1, count: 3_000_000))
        #expect(throws: ImageError.outOfMemory(width: 1, height: 1_000_000)) {
            try tall.resized(width: 16_384, height: 1)
        }
        #expect(try tall.resized(width: 224, height: 224).pixels.allSatisfy { $0 == 1 })
    }

    @Test func hashesContent() throws {
        var random = SeededGenerator(seed: 10)
        let image = try noise(17, 5, &random)
        #expect(try image.contentHash == RGBImage(width: 17, height: 5, pixels: image.pixels).contentHash)
        #expect(try image.contentHash != RGBImage(width: 5, height: 17, pixels: image.pixels).contentHash)
        #expect(Set([image, image]).count == 1)
        // Every single-bit change is seen.
        var hashes: Set<UInt64> = [image.contentHash]
        for bit in 0..<(8 * image.pixels.count) {
            var pixels = image.pixels
            pixels[bit / 8] ^= 1 << (bit % 8)
            try hashes.insert(RGBImage(width: 17, height: 5, pixels: pixels).contentHash)
        }
        #expect(hashes.count == 8 * image.pixels.count + 1)
        // The same in every process and on every machine.
        let ramp = try RGBImage(width: 20, height: 1, pixels: (0..<60).map { UInt8($0) })
        #expect(ramp.contentHash == 13_205_413_911_466_863_216)
    }
}
