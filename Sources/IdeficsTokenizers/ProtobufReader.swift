// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// Reads the protobuf wire format from a message in a file; every length is checked against what is there.
struct ProtobufReader {
    /// A field's value by wire type.
    enum Value {
        case varint(UInt64)
        case fixed32(UInt32)
        case fixed64
        case bytes(UnsafeRawBufferPointer)
    }

    let file: String
    private var reader: ByteReader
    /// Where the message begins in the file.
    private let start: Int

    /// A reader of the message `bytes` of the file `file`, which outlive it.
    init(file: String, bytes: UnsafeRawBufferPointer, start: Int = 0) {
        self.file = file
        self.start = start
        reader = ByteReader(bytes)
    }

    /// A reader of a message that this one has just read as a field.
    func message(_ bytes: UnsafeRawBufferPointer) -> ProtobufReader {
        ProtobufReader(file: file, bytes: bytes, start: start + reader.position - bytes.count)
    }

    /// The next field, nil at the end.
    mutating func next() throws -> (number: Int, value: Value)? {
        guard !reader.isAtEnd else { return nil }
        let key = try varint()
        let number = key >> 3
        guard number >= 1, number < 1 << 29 else { throw malformed("field number \(number)") }
        let value: Value
        switch key & 7 {
        case 0: value = .varint(try varint())
        case 1:
            _ = try take(8)
            value = .fixed64
        case 2:
            let length = try varint()
            guard let count = Int(exactly: length), let bytes = reader.take(count) else {
                throw malformed("a field of \(length) bytes in the last \(reader.count - reader.position)")
            }
            value = .bytes(bytes)
        case 5:
            value = .fixed32(UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self)))
        default: throw malformed("wire type \(key & 7)")
        }
        return (Int(number), value)
    }

    private mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            let byte = UInt64(try take(1)[0])
            if shift == 63, byte > 1 { break }
            value |= (byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw malformed("a number longer than 64 bits")
    }

    private mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard let bytes = reader.take(count) else { throw malformed("the file ends inside a number") }
        return bytes
    }

    private func malformed(_ reason: String) -> TokenizerError {
        .malformedProtobuf(file: file, offset: start + reader.position, reason: reason)
    }
}
