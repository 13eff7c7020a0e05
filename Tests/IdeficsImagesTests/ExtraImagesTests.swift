// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import IdeficsTestSupport
import Testing

/// Tests/Fixtures/images-extra: what Pillow makes of further formats, depths and modes (Tools/make_golden_images.py).
struct ExtraImagesTests {
    struct Expected: Decodable, Sendable {
        struct Pixels: Decodable, Sendable {
            let width, height, offset: Int
        }
        struct File: Decodable, Sendable {
            let mode: String
            let object, url: Pixels
        }
        let files: [String: File]

        static let all = Result {
            try JSONDecoder().decode(Expected.self, from: Fixtures.data("images-extra/expected.json"))
        }
        static let pixels = Result { try Fixtures.data("images-extra/expected.rgb") }
        static var names: [String] { (try? all.get().files.keys.sorted()) ?? [] }
    }

    @Test func hasEveryKind() {
        #expect(Expected.names.count == 49)
    }

    @Test(arguments: Expected.names)
    func decodesExactly(name: String) throws {
        let file = try Fixtures.data("images-extra/\(name)")
        let golden = try #require(Expected.all.get().files[name])
        for (conversion, expected) in [(ImageConversion.object, golden.object), (.url, golden.url)] {
            let image = try ImageDecoder.decode(file, conversion: conversion)
            #expect(image.width == expected.width && image.height == expected.height, "\(conversion)")
            let count = expected.width * expected.height * 3
            let pixels = try Expected.pixels.get()[expected.offset..<(expected.offset + count)]
            #expect(image.pixels.elementsEqual(pixels), "\(conversion) \(Self.difference(image.pixels, Array(pixels)))")
        }
    }

    /// How many samples differ, and by how much at most.
    private static func difference(_ a: [UInt8], _ b: [UInt8]) -> String {
        let differences = zip(a, b).map { abs(Int($0) - Int($1)) }.filter { $0 != 0 }
        return "\(differences.count) of \(b.count) samples differ, by \(differences.max() ?? 0) at most"
    }
}
