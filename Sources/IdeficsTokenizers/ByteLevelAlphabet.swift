// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// GPT-2's reversible map between bytes and printable characters.
///
/// Bytes that are printable in Latin-1 stand for themselves; the other 68, in order, for U+0100, U+0101, …: a space
/// is `Ġ` (U+0120), a line feed `Ċ` (U+010A).
enum ByteLevelAlphabet {
    /// The scalar that stands for each byte.
    static let scalarOfByte: [UInt32] = {
        var next: UInt32 = 0x100
        return (UInt32(0)..<256).map { byte in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
            default:
                defer { next += 1 }
                return next
            }
        }
    }()

    /// The byte each scalar below U+0144 stands for, -1 for none.
    static let byteOfScalar: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalarOfByte.enumerated() { table[Int(scalar)] = Int16(byte) }
        return table
    }()

    /// Appends the bytes that `token` stands for; the token itself if it has other characters.
    static func appendBytes(of token: ArraySlice<UInt8>, to output: inout [UInt8]) {
        let token = Array(token)
        let start = output.count
        var position = 0
        while position < token.count {
            let (value, length) = scalar(token, at: position)
            guard value < byteOfScalar.count, byteOfScalar[Int(value)] >= 0 else {
                output.removeSubrange(start...)
                output.append(contentsOf: token)
                return
            }
            output.append(UInt8(truncatingIfNeeded: byteOfScalar[Int(value)]))
            position += length
        }
    }
}
