// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import IdeficsTestSupport
import Testing

struct HostileImagesTests {
    // MARK: - Declared sizes

    @Test(arguments: [(65_535, 65_535), (1_000_001, 1), (UInt32.max >> 1, UInt32.max >> 1), (9460, 9460)])
    func refusesLargePNG(width: UInt32, height: UInt32) {
        let limits = ImageLimits()
        let error = ImageError.tooLarge(
            width: Int(width),
            height: Int(height),
            maxPixels: limits.maxPixels,
            maxSide: limits.maxSide
        )
        let file = Data.pngHeader(width: width, height: height) + Data.pngChunk("IDAT", [0x78, 0x9C, 3, 0, 0, 0, 0, 1])
        #expect(throws: error) { try ImageDecoder.decode(file) }
    }

    @Test func refusesSizesBeyondPNG() {
        for (width, height) in [(UInt32.max, 1), (1, UInt32.max), (0, 1), (1, 0)] as [(UInt32, UInt32)] {
            let file = Data.pngHeader(width: width, height: height) + Data.pngChunk("IDAT", [0x78, 0x9C, 3, 0])
            #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isCorrupt(.png) }
        }
    }

    @Test func refusesLargeAndEmptyJPEG() throws {
        for name in ["photo_420.jpg", "progressive.jpg"] {
            var file = try Fixtures.data("processor/images/\(name)")
            let frame = try #require(file.firstOffset(of: [0xFF, 0xC0]) ?? file.firstOffset(of: [0xFF, 0xC2]))
            file.replaceSubrange((frame + 5)..<(frame + 9), with: [0xFF, 0xDC, 0xFF, 0xDC])  // 65500, libjpeg's limit
            #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isTooLarge(65_500, 65_500) }
            file.replaceSubrange((frame + 5)..<(frame + 9), with: [0xFF, 0xFF, 0xFF, 0xFF])
            #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isCorrupt(.jpeg) }
            file.replaceSubrange((frame + 5)..<(frame + 9), with: [0, 0, 0, 9])
            #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isCorrupt(.jpeg) }
        }
    }

    @Test func refusesLargeWebP() throws {
        var file = try Fixtures.data("images-extra/animated.webp")
        file.replaceSubrange(24..<30, with: [0xFE, 0xFF, 0, 0xFE, 0xFF, 0])
        #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isTooLarge(65_535, 65_535) }
        file = try Fixtures.data("images-extra/lossless.webp")  // 14 bits each: 16384×16384
        file.replaceSubrange(21..<25, with: [0xFF, 0xFF, 0xFF, 0x0F])
        #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isTooLarge(16_384, 16_384) }
    }

    @Test func refusesLargeAndEmptyGIF() throws {
        var file = try Fixtures.data("images-extra/palette.gif")
        file.replaceSubrange(6..<10, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isTooLarge(65_535, 65_535) }
        file = try Fixtures.data("images-extra/offset.gif")
        let frame = try #require(file.firstOffset(of: [0x2C, 3, 0, 2, 0]))
        file.replaceSubrange((frame + 5)..<(frame + 9), with: [0, 0, 1, 0])
        #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isCorrupt(.gif) }
    }

    @Test func honoursLimits() throws {
        let file = try Fixtures.data("processor/images/rgb.png")  // 128×96
        var limits = ImageLimits(maxPixels: 128 * 96, maxBytes: file.count, maxSide: 128)
        #expect(try ImageDecoder.decode(file, limits: limits).width == 128)
        limits.maxSide = 127
        #expect { try ImageDecoder.decode(file, limits: limits) } throws: { ($0 as? ImageError).isTooLarge(128, 96) }
        limits.maxSide = 128
        limits.maxPixels -= 1
        #expect { try ImageDecoder.decode(file, limits: limits) } throws: { ($0 as? ImageError).isTooLarge(128, 96) }
        limits.maxBytes -= 1
        #expect(throws: ImageError.tooManyBytes(count: file.count, limit: file.count - 1)) {
            try ImageDecoder.decode(file, limits: limits)
        }
    }

    // MARK: - Damage

    @Test func tellsFormatsByTheirBytes() {
        #expect(throws: ImageError.unknownFormat(prefix: [])) { try ImageDecoder.decode(Data()) }
        #expect(throws: ImageError.unknownFormat(prefix: Array("%PDF-1.7".utf8))) {
            try ImageDecoder.decode(Data("%PDF-1.7 …".utf8))
        }
        #expect(throws: ImageError.unknownFormat(prefix: Array("RIFF\u{4}\0\0\0".utf8))) {
            try ImageDecoder.decode(Data("RIFF\u{4}\0\0\0WAVE".utf8))
        }
    }

    /// Every prefix of every file is refused; of a GIF or PNG, whose later parts nothing reads, only those without the picture.
    @Test(arguments: [".jpg", ".png", ".webp", ".gif"])
    func refusesTruncation(suffix: String) throws {
        for (name, data) in EncodedFixtures.of(suffix) {
            let whole = try ImageDecoder.decode(data)
            let step = max(1, data.count / 120)
            var lengths = Array(stride(from: 0, to: data.count, by: step))
            lengths += Array(max(0, data.count - 24)..<data.count)
            for length in lengths {
                do {
                    let image = try ImageDecoder.decode(data.prefix(length))
                    #expect(
                        [".gif", ".png"].contains(suffix) && image == whole,
                        "\(name) cut to \(length) bytes was accepted"
                    )
                } catch is ImageError {}
            }
        }
    }

    @Test(arguments: [".jpg", ".png", ".webp", ".gif"])
    func survivesMutation(suffix: String) throws {
        var random = SeededGenerator(seed: 2026)
        let limits = ImageLimits(maxPixels: 1 << 18)
        let seeds = EncodedFixtures.of(suffix).filter { $0.data.count < 6000 }
        var accepted = 0
        for round in 0..<1500 {
            var data = seeds[round % seeds.count].data
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                // Headers, where the structure is, are hit as often as all the rest.
                let reach = Bool.random(using: &random) ? min(64, data.count) : data.count
                let offset = Int.random(in: 0..<reach, using: &random)
                switch Int.random(in: 0..<6, using: &random) {
                case 0: data[offset] = UInt8.random(in: 0...255, using: &random)
                case 1: data[offset] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: data[offset] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
                case 3: data.remove(at: offset)
                case 4: data.insert(UInt8.random(in: 0...255, using: &random), at: offset)
                default:
                    let end = min(data.count, offset + Int.random(in: 1...32, using: &random))
                    data.append(contentsOf: Array(data[offset..<end]))
                }
                if data.isEmpty { data.append(0) }
            }
            do {
                let image = try ImageDecoder.decode(
                    data,
                    limits: limits,
                    conversion: round.isMultiple(of: 2) ? .url : .object
                )
                #expect(image.pixels.count == image.width * image.height * 3)
                accepted += 1
            } catch is ImageError {}
        }
        #expect(accepted < 1500)
    }

    @Test func readsPastTheEndOfNothing() throws {
        // Junk behind a complete image is not an error.
        for (name, data) in EncodedFixtures.files {
            #expect(try ImageDecoder.decode(data + Data("trailing junk".utf8)) == ImageDecoder.decode(data), "\(name)")
            // Nor does a slice that does not start at index 0 matter.
            #expect(
                try ImageDecoder.decode((Data([1, 2, 3]) + data).dropFirst(3)) == ImageDecoder.decode(data),
                "\(name)"
            )
        }
    }

    @Test func findsOrientationBehindJunk() throws {
        var file = try Fixtures.data("images-extra/exif6.jpg")
        let upright = try ImageDecoder.decode(file, conversion: .url)
        let exif = try #require(file.firstOffset(of: [0xFF, 0xE1]))
        file.insert(contentsOf: [1, 0xFF, 0, 0xFF], at: exif)
        #expect(try ImageDecoder.decode(file, conversion: .url) == upright)
    }

    // MARK: - Bombs

    @Test func skipsCompressedTexts() throws {
        let file = try Fixtures.data("images-extra/text_bomb.png")
        #expect(try ImageDecoder.decode(file).pixels == [0, 0, 0, 0, 0, 0])
    }

    @Test func refusesLyingChunks() throws {
        let file = try Fixtures.data("processor/images/tiny.png")
        let header = file.prefix(33)
        for length in [UInt32.max, 0x8000_0000] {
            let lying = header + Data.pngChunk("tEXt", [1, 2, 3], length: length) + file.dropFirst(33)
            #expect { try ImageDecoder.decode(lying) } throws: { ($0 as? ImageError).isCorrupt(.png) }
        }
        let long = header + Data.pngChunk("tEXt", [1, 2, 3], length: 0x7FFF_FFFF) + file.dropFirst(33)
        #expect(throws: ImageError.truncated(.png)) { try ImageDecoder.decode(long) }
        let longData = header + Data.pngChunk("IDAT", [1, 2, 3], length: 0x7FFF_FFFF)
        #expect { try ImageDecoder.decode(longData) } throws: { $0 is ImageError }
        // A large ancillary chunk is no reason to refuse a picture.
        let profile = header + Data.pngChunk("tEXt", [UInt8](repeating: 65, count: 9_000_000)) + file.dropFirst(33)
        #expect(try ImageDecoder.decode(profile) == ImageDecoder.decode(file))
    }

    @Test func limitsScans() throws {
        let file = try Fixtures.data("processor/images/progressive.jpg")
        let lastScan = try #require(file.lastRange(of: Data([0xFF, 0xDA]))?.lowerBound)
        let scan = file[lastScan..<(file.count - 2)]
        func repeated(_ count: Int) -> Data {
            file.prefix(lastScan) + (0..<count).reduce(into: Data()) { data, _ in data += scan } + file.suffix(2)
        }
        #expect(try ImageDecoder.decode(repeated(2)).width == 61)
        #expect(throws: ImageError.tooManyScans(limit: 100)) { try ImageDecoder.decode(repeated(500)) }
        #expect(throws: ImageError.tooManyScans(limit: 5)) {
            try ImageDecoder.decode(file, limits: ImageLimits(maxJPEGScans: 5))
        }
        // Large pictures are allowed fewer: 61 · 75 pixels, and 24 times the 4575 allowed in all is 24 passes.
        #expect(throws: ImageError.tooManyScans(limit: 24)) {
            try ImageDecoder.decode(repeated(30), limits: ImageLimits(maxPixels: 61 * 75))
        }
    }

    // MARK: - GIF

    @Test func checksGIFCodes() throws {
        var file = try Fixtures.data("images-extra/offset.gif")
        let data = try #require(file.firstOffset(of: [0x2C, 3, 0, 2, 0])) + 10
        for width: UInt8 in [9, 12, 255] {
            file[data] = width
            #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isCorrupt(.gif) }
        }
        file[data] = 2
        for code: UInt8 in [0b111_101, 0b111_100, 0b111_000] {  // an early end; undefined codes first and second
            file[data + 2] = code
            #expect { try ImageDecoder.decode(file) } throws: { ($0 as? ImageError).isCorrupt(.gif) }
        }
        #expect { try ImageDecoder.decode(Data("GIF89a\u{1}\0\u{1}\0\0\0\0;".utf8)) } throws: {
            ($0 as? ImageError).isCorrupt(.gif)
        }
    }
}

extension ImageError? {
    func isCorrupt(_ format: ImageFormat) -> Bool {
        if case .corrupt(format, let reason) = self { !reason.isEmpty } else { false }
    }

    func isTooLarge(_ expectedWidth: Int, _ expectedHeight: Int) -> Bool {
        if case .tooLarge(let width, let height, _, _, _) = self {
            width == expectedWidth && height == expectedHeight
        } else {
            false
        }
    }
}
