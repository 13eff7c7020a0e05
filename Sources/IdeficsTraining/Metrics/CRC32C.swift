// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The checksum of TFRecord files: CRC-32C (Castagnoli, RFC 3720 appendix B.4), and TensorFlow's mask over it.
package struct CRC32C {
    private var state = ~UInt32(0)

    /// The checksum of no bytes.
    package init() {}

    /// The checksum of the bytes so far.
    package var value: UInt32 { ~state }

    /// Adds bytes.
    package mutating func update(_ bytes: some Sequence<UInt8>) {
        state = bytes.reduce(state) { $0 >> 8 ^ Self.table[Int(($0 ^ UInt32($1)) & 0xFF)] }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }

    /// The checksum of `bytes`.
    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var checksum = CRC32C()
        checksum.update(bytes)
        return checksum.value
    }

    /// The checksum as TFRecord stores it: rotated and moved, so that checksums of data with checksums stay good.
    package static func masked(_ bytes: [UInt8]) -> UInt32 {
        let value = checksum(bytes)
        return (value >> 15 | value << 17) &+ 0xA282_EAD8
    }
}
