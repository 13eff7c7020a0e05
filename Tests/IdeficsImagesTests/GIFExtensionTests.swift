// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import Testing

/// GIFs as some programs write them; what is expected is what Pillow 13 gives.
@Suite struct GIFExtensionTests {
    /// 2×1 pixels of a table of two colors, with `extensions` before the image and `data` of its code width and codes.
    private func gif(_ extensions: [[UInt8]], width: UInt8 = 2, _ data: [UInt8]) -> Data {
        var file = Data("GIF89a".utf8)
        file += [width, 0, 1, 0, 0x80, 0, 0, 10, 20, 30, 40, 50, 60] as [UInt8]
        for block in extensions { file += block }
        file += [0x2C, 0, 0, 0, 0, width, 0, 1, 0, 0] as [UInt8]
        file += data
        file += [0, 0x3B] as [UInt8]
        return file
    }

    private func control(transparent: UInt8?) -> [UInt8] {
        [0x21, 0xF9, 4, transparent == nil ? 0 : 1, 0, 0, transparent ?? 0, 0]
    }

    /// Codes of 3 bits: clear, 0, 1, end.
    private static let pixels: [UInt8] = [2, 2, 0b01_000_100, 0b0000_1010]

    @Test func oneControlLeavesTheColorOfAnother() throws {
        let opaque = try ImageDecoder.decode(gif([], Self.pixels)).pixels
        #expect(opaque == [10, 20, 30, 40, 50, 60])
        let clear: [UInt8] = [255, 255, 255, 40, 50, 60]
        let (first, none) = (control(transparent: 0), control(transparent: nil))
        #expect(try ImageDecoder.decode(gif([first], Self.pixels)).pixels == clear)
        #expect(try ImageDecoder.decode(gif([first, none], Self.pixels)).pixels == clear)
        #expect(try ImageDecoder.decode(gif([none, first], Self.pixels)).pixels == clear)
        #expect(try ImageDecoder.decode(gif([none, none], Self.pixels)).pixels == opaque)
        let second = control(transparent: 1)
        #expect(try ImageDecoder.decode(gif([first, second], Self.pixels)).pixels == [10, 20, 30, 255, 255, 255])
    }

    /// All codes have one bit, and there is one color.
    @Test func codesOfNoWidth() throws {
        let data: [UInt8] = [0, 1, 0b0000_0001]
        let pixels = try ImageDecoder.decode(gif([], width: 4, data)).pixels
        #expect(pixels == Array(repeating: [10, 20, 30], count: 4).flatMap { $0 })
        let wide: [UInt8] = [9] + Array(Self.pixels.dropFirst())
        #expect(throws: ImageError.self) { try ImageDecoder.decode(gif([], wide)) }
    }
}
