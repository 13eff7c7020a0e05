// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsImages
import Testing

/// How the orientation may be written in an EXIF block; what is expected is what `ImageOps.exif_transpose` of Pillow 13
/// does.
@Suite struct OrientationTagTests {
    /// Whether a PNG of 3×1 pixels with the block `exif` is turned by a quarter.
    private func isTurned(_ exif: [UInt8]) throws -> Bool {
        var file = Data.pngHeader(width: 3, height: 1)
        file += Data.pngChunk("eXIf", exif)
        file += Data.pngChunk("IDAT", Data.zlibStored([UInt8](repeating: 0, count: 10)))
        file += Data.pngChunk("IEND", [])
        let image = try ImageDecoder.decode(file, conversion: .upright)
        return image.width == 1 && image.height == 3
    }

    /// An entry for the directory, little-endian; of four bytes, its value or the place of its values.
    private func entry(_ type: UInt8, _ count: UInt8, _ value: [UInt8], tag: [UInt8] = [0x12, 1]) -> [UInt8] {
        var bytes: [UInt8] = tag
        bytes += [type, 0, count, 0, 0, 0] as [UInt8]
        bytes += value
        bytes += [UInt8](repeating: 0, count: 4 - value.count)
        return bytes
    }

    /// A block with these entries, and bytes after its directory, at 26 if there is one entry.
    private func block(_ entries: [[UInt8]], _ more: [UInt8] = [], count: UInt8? = nil) -> [UInt8] {
        var bytes: [UInt8] = Array("II*\0".utf8)
        bytes += [8, 0, 0, 0, count ?? UInt8(entries.count), 0] as [UInt8]
        for entry in entries { bytes += entry }
        bytes += [0, 0, 0, 0] as [UInt8]
        bytes += more
        return bytes
    }

    /// The bytes of `bits`, little-endian.
    private func bytes(_ bits: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: bits >> UInt64(8 * $0)) }
    }

    private static let far: [UInt8] = [26, 0, 0, 0]

    @Test func wholeNumbersOfAnyType() throws {
        for type: UInt8 in [3, 4, 6, 8, 9, 13] { #expect(try isTurned(block([entry(type, 1, [6])])), "\(type)") }
        #expect(try isTurned(block([entry(11, 1, bytes(UInt64(Float(6).bitPattern), 4))])))
        #expect(try isTurned(block([entry(12, 1, Self.far)], bytes(Double(6).bitPattern, 8))))
        #expect(try isTurned(block([entry(5, 1, Self.far)], [12, 0, 0, 0, 2, 0, 0, 0])))
        #expect(try isTurned(block([entry(10, 1, Self.far)], [0xF4, 255, 255, 255, 0xFE, 255, 255, 255])))
        #expect(try isTurned(block([entry(16, 1, Self.far)], [6, 0, 0, 0, 0, 0, 0, 0])))
    }

    @Test func ofSeveralTheFirst() throws {
        #expect(try isTurned(block([entry(3, 2, [6, 0, 3, 0])])))
        #expect(try isTurned(block([entry(6, 4, [6, 1, 1, 1])])))
        #expect(try isTurned(block([entry(3, 3, Self.far)], [6, 0, 1, 0, 1, 0])))
        #expect(try isTurned(block([entry(3, 1, [6]), entry(3, 1, [3])])))
        // An entry of a type that nobody knows is none.
        #expect(try isTurned(block([entry(99, 1, [3]), entry(3, 1, [6])])))
    }

    @Test func whatIsNoOrientation() throws {
        for type: UInt8 in [1, 2, 7, 99] { #expect(try !isTurned(block([entry(type, 1, [6])])), "\(type)") }
        #expect(try !isTurned(block([entry(2, 1, [0x36])])))
        #expect(try !isTurned(block([entry(3, 0, [6])])))
        #expect(try !isTurned(block([entry(8, 1, [0xFA, 0xFF])])))
        #expect(try !isTurned(block([entry(11, 1, bytes(UInt64(Float(6.5).bitPattern), 4))])))
        #expect(try !isTurned(block([entry(5, 1, Self.far)], [12, 0, 0, 0, 0, 0, 0, 0])))
        #expect(try !isTurned(block([entry(3, 3, [99])], [6, 0, 1, 0, 1, 0])))
        #expect(try !isTurned(block([entry(12, 1, Self.far)], [UInt8](repeating: 0xFF, count: 8))))
    }

    /// What is cut off after the entry, or counts entries that are not there, is read; a cut entry is not.
    @Test func blocksThatAreCut() throws {
        let whole = block([entry(3, 1, [6])])
        for count in 0...12 { #expect(try isTurned(Array(whole.dropLast(count))) == (count <= 4), "\(count)") }
        #expect(try isTurned(block([entry(3, 1, [6])], count: 2)))
        // A long value that does not fit before it is skipped; one that lies outside ends the reading.
        #expect(try isTurned(block([entry(2, 255, [9], tag: [0x0F, 1]), entry(3, 1, [6])])))
        #expect(try !isTurned(block([entry(2, 9, [200], tag: [0x0F, 1]), entry(3, 1, [6])])))
    }

    @Test func bytesInOtherOrder() throws {
        for start in ["MM\0*", "MM*\0", "MM\0+"] {
            let rest: [UInt8] = [0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]
            #expect(try isTurned(Array(start.utf8) + rest), "\(start)")
        }
        let whole = block([entry(3, 1, [6])])
        #expect(try isTurned(Array("II\0*".utf8) + whole.dropFirst(4)))
        for start in ["II+\0", "IM*\0", "II\0\0"] { #expect(try !isTurned(Array(start.utf8) + whole.dropFirst(4))) }
    }
}
