// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The CRC-32 of zlib, to be continued.
struct CRC32 {
    private var value: UInt32 = .max

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    mutating func update(_ bytes: some Sequence<UInt8>) {
        value = bytes.reduce(value) { Self.table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }

    var checksum: UInt32 { ~value }
}

extension FixedWidthInteger {
    var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian, Array.init) }
}
