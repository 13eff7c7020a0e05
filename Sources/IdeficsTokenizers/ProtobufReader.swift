// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Reads the protobuf wire format from a slice of a file; every length is checked against what is there.
struct ProtobufReader {
    /// A field's value by wire type.
    enum Value {
        case varint(UInt64)
        case fixed32(UInt32)
        case fixed64
        /// The range of the bytes in the file.
        case bytes(Range<Int>)
    }

    let file: String
    let bytes: [UInt8]
    private var position: Int
    private let end: Int

    init(file: String, bytes: [UInt8], range: Range<Int>) {
        self.file = file
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next field, nil at the end.
    mutating func next() throws -> (number: Int, value: Value)? {
        guard position < end else { return nil }
        let key = try varint()
        let number = key >> 3
        guard number >= 1, number < 1 << 29 else { throw malformed("field number \(number)") }
        let value: Value
        switch key & 7 {
        case 0: value = .varint(try varint())
        case 1:
            try skip(8)
            value = .fixed64
        case 2:
            let length = try varint()
            guard length <= UInt64(end - position) else {
                throw malformed("a field of \(length) bytes in the last \(end - position)")
            }
            let start = position
            position += Int(length)
            value = .bytes(start..<position)
        case 5:
            try skip(4)
            value = .fixed32((1...4).reduce(0) { $0 << 8 | UInt32(bytes[position - $1]) })
        default: throw malformed("wire type \(key & 7)")
        }
        return (Int(number), value)
    }

    private mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard position < end else { throw malformed("the file ends inside a number") }
            let byte = UInt64(bytes[position])
            position += 1
            if shift == 63, byte > 1 { break }
            value |= (byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw malformed("a number longer than 64 bits")
    }

    private mutating func skip(_ count: Int) throws {
        guard end - position >= count else { throw malformed("the file ends inside a number") }
        position += count
    }

    private func malformed(_ reason: String) -> TokenizerError {
        .malformedProtobuf(file: file, offset: position, reason: reason)
    }
}
