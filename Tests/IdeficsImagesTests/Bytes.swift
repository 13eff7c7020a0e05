// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport

/// Every encoded fixture, by format.
enum EncodedFixtures {
    static let files: [(name: String, data: Data)] = ["processor/images", "images-extra"].flatMap { folder in
        let names = (try? FileManager.default.contentsOfDirectory(atPath: Fixtures.url(folder).path)) ?? []
        return names.sorted().filter { !$0.hasPrefix("expected") }.compactMap { name in
            (try? Fixtures.data("\(folder)/\(name)")).map { (name, $0) }
        }
    }

    static func of(_ suffix: String) -> [(name: String, data: Data)] {
        files.filter { $0.name.hasSuffix(suffix) }
    }
}

extension Data {
    static func bigEndian(_ value: UInt32) -> Data {
        Data((0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) })
    }

    /// A PNG chunk with its length and a right CRC; `length` may lie.
    static func pngChunk(_ name: String, _ payload: [UInt8], length: UInt32? = nil) -> Data {
        let body = Data(name.utf8) + payload
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in body {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 != 0 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return bigEndian(length ?? UInt32(payload.count)) + body + bigEndian(~crc)
    }

    /// A PNG of 8-bit RGB that declares a size, without any rows.
    static func pngHeader(width: UInt32, height: UInt32) -> Data {
        let head = Array(bigEndian(width) + bigEndian(height)) + [8, 2, 0, 0, 0]
        return Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) + pngChunk("IHDR", head)
    }

    /// A zlib stream of `bytes`: one stored block and its Adler-32.
    static func zlibStored(_ bytes: [UInt8]) -> [UInt8] {
        let count = UInt16(bytes.count)
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            a = (a + UInt32(byte)) % 65_521
            b = (b + a) % 65_521
        }
        let length: [UInt16] = [count & 255, count >> 8, ~count & 255, ~count >> 8]
        var stream: [UInt8] = [0x78, 0x01, 0x01]
        stream += length.map { UInt8($0) }
        stream += bytes
        stream += Array(bigEndian(b << 16 | a))
        return stream
    }

    /// The first place `bytes` occur.
    func firstOffset(of bytes: [UInt8]) -> Int? {
        firstRange(of: Data(bytes))?.lowerBound
    }
}
