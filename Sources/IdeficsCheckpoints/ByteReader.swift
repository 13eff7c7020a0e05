// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Reads little-endian fields from bytes of hostile origin; every read is checked.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    private let file: String
    /// What errors call the place being read.
    var field: String
    private(set) var position: Int

    /// A reader of `bytes`, which outlive it.
    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0, file: String, field: String) {
        self.bytes = bytes
        self.position = position
        self.file = file
        self.field = field
    }

    var isAtEnd: Bool { position >= bytes.count }

    /// An error about the field being read.
    func malformed(_ reason: String) -> CheckpointError {
        .malformed(file: file, field: field, reason: reason)
    }

    /// The next `count` bytes.
    mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard count >= 0, position >= 0, position <= bytes.count, count <= bytes.count - position else {
            throw malformed("the file ends early: \(count) bytes wanted at \(position) of \(bytes.count)")
        }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    /// The next little-endian integer.
    mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(_ type: Integer.Type) throws -> Integer {
        Integer(littleEndian: try take(MemoryLayout<Integer>.size).loadUnaligned(as: type))
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
        let rest = bytes[min(position, bytes.count)...].prefix(limit + 1)
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            throw malformed("no line end within \(limit) bytes")
        }
        let text = try text(end - position)
        position += 1
        return text
    }
}
