// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Writes messages of protocol buffers field by field.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func key(_ field: Int, type: Int) {
        varint(UInt64(field << 3 | type))
    }

    /// An `int64`, `int32` or enumeration.
    mutating func integer(_ field: Int, _ value: Int) {
        key(field, type: 0)
        varint(UInt64(bitPattern: Int64(value)))
    }

    /// A `double`.
    mutating func double(_ field: Int, _ value: Double) {
        key(field, type: 1)
        bytes += withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init)
    }

    /// A `float`.
    mutating func float(_ field: Int, _ value: Float) {
        key(field, type: 5)
        bytes += withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init)
    }

    /// A `string`.
    mutating func string(_ field: Int, _ value: String) {
        delimited(field, Array(value.utf8))
    }

    /// A message inside this one.
    mutating func message(_ field: Int, _ write: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        write(&inner)
        delimited(field, inner.bytes)
    }

    private mutating func delimited(_ field: Int, _ content: [UInt8]) {
        key(field, type: 2)
        varint(UInt64(content.count))
        bytes += content
    }
}
