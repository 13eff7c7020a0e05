// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A running cyclic redundancy check of 32 bits, reflected, as zlib (CRC-32) and TFRecord files (CRC-32C) have it.
package struct CRC32: Sendable {
    /// Which polynomial divides.
    package enum Polynomial: UInt32, Sendable {
        /// CRC-32 of zlib, zip and PNG.
        case zlib = 0xEDB8_8320
        /// CRC-32C (Castagnoli, RFC 3720 appendix B.4).
        case castagnoli = 0x82F6_3B78
    }

    private static let zlibTable = table(.zlib)
    private static let castagnoliTable = table(.castagnoli)

    private let table: [UInt32]
    private var state = ~UInt32(0)

    /// The checksum of no bytes.
    package init(_ polynomial: Polynomial) {
        table = polynomial == .zlib ? Self.zlibTable : Self.castagnoliTable
    }

    /// The checksum of the bytes so far.
    package var value: UInt32 { ~state }

    /// Adds bytes.
    package mutating func update(_ bytes: some Sequence<UInt8>) {
        // Bytes in one piece take the loop that is compiled for them, in whatever module the sequence is from.
        let isDone: Void? = bytes.withContiguousStorageIfAvailable { state = advanced(over: $0) }
        if isDone == nil { Array(bytes).withUnsafeBufferPointer { state = advanced(over: $0) } }
    }

    private func advanced(over bytes: UnsafeBufferPointer<UInt8>) -> UInt32 {
        bytes.reduce(state) { $0 >> 8 ^ table[Int(($0 ^ UInt32($1)) & 0xFF)] }
    }

    /// The checksum of `bytes`.
    package static func checksum(_ bytes: some Sequence<UInt8>, _ polynomial: Polynomial) -> UInt32 {
        var checksum = CRC32(polynomial)
        checksum.update(bytes)
        return checksum.value
    }

    private static func table(_ polynomial: Polynomial) -> [UInt32] {
        (0..<256).map { byte in
            (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ polynomial.rawValue : value >> 1 }
        }
    }
}
