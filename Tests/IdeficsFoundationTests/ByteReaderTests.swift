// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import Testing

@Suite struct ByteReaderTests {
    private let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7]

    @Test func readsOneAfterTheOther() {
        bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            #expect(reader.integer(UInt32.self) == 0x0403_0201)
            // Nothing is skipped by what does not fit.
            #expect(reader.integer(UInt32.self) == nil)
            #expect(reader.position == 4)
            #expect(reader.take(-1) == nil)
            #expect(reader.take(.max) == nil)
            #expect(reader.take(3).map(Array.init) == [5, 6, 7])
            #expect(reader.isAtEnd)
            #expect(reader.take(0)?.count == 0)
            #expect(reader.take(1) == nil)
        }
    }

    @Test(arguments: [-1, 8, Int.min, Int.max])
    func beginsAnywhere(position: Int) {
        bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes, at: position)
            #expect(reader.take(0) == nil)
            #expect(reader.integer(UInt8.self) == nil)
            #expect(reader.u8(position) == nil)
            #expect(reader.integer(position, size: 2, bigEndian: true) == nil)
            #expect(reader.slice(position, count: 1) == nil)
            #expect(!reader.has("a", at: position))
        }
    }

    @Test func readsAnywhere() {
        bytes.withUnsafeBytes { bytes in
            let reader = ByteReader(bytes)
            #expect(reader.u8(6) == 7)
            #expect(reader.u8(7) == nil)
            #expect(reader.integer(5, size: 2, bigEndian: true) == 0x0607)
            #expect(reader.integer(5, size: 2, bigEndian: false) == 0x0706)
            #expect(reader.integer(6, size: 2, bigEndian: false) == nil)
            #expect(reader.has("\u{1}\u{2}", at: 0))
            #expect(reader.dropping(prefix: "\u{1}\u{2}")?.count == 5)
            #expect(reader.dropping(prefix: "no") == nil)
            #expect(reader.slice(1, count: .max) == nil)
        }
    }
}
