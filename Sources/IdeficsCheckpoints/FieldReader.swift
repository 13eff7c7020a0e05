// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// Reads the fields of a checkpoint's file one after the other; errors name file and field.
struct FieldReader {
    private var reader: ByteReader
    private let file: String
    /// What errors call the place being read.
    var field: String

    /// A reader of `bytes`, which outlive it.
    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0, file: String, field: String) {
        reader = ByteReader(bytes, at: position)
        self.file = file
        self.field = field
    }

    var position: Int { reader.position }
    var isAtEnd: Bool { reader.isAtEnd }

    /// An error about the field being read.
    func malformed(_ reason: String) -> CheckpointError {
        .malformed(file: file, field: field, reason: reason)
    }

    /// The next `count` bytes.
    mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard let bytes = reader.take(count) else { throw endsEarly(count) }
        return bytes
    }

    /// The next little-endian integer.
    mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(_ type: Integer.Type) throws -> Integer {
        guard let integer = reader.integer(type) else { throw endsEarly(MemoryLayout<Integer>.size) }
        return integer
    }

    /// The next little-endian integer as a size or an offset.
    mutating func size<Integer: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ type: Integer.Type
    ) throws -> Int {
        let value = try integer(type)
        guard let size = Int(exactly: value) else { throw malformed("the size \(value) is too large") }
        return size
    }

    /// The next `count` bytes as text.
    mutating func text(_ count: Int) throws -> String {
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw malformed("text that is not UTF-8")
        }
        return text
    }

    /// The text before the next line feed, which is stepped over.
    mutating func line(atMost limit: Int) throws -> String {
        let rest = reader.bytes[min(position, reader.count)...].prefix(limit + 1)
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            throw malformed("no line end within \(limit) bytes")
        }
        let text = try text(end - position)
        _ = try take(1)
        return text
    }

    private func endsEarly(_ count: Int) -> CheckpointError {
        malformed("the file ends early: \(count) bytes wanted at \(position) of \(reader.count)")
    }
}
