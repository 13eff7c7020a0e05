// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Reads from borrowed bytes of hostile origin: at a position that moves on, or anywhere; every read outside them is nil.
///
/// What a missing byte means, and what is said of it, is the format's business.
package struct ByteReader {
    /// The bytes, which outlive the reader.
    package let bytes: UnsafeRawBufferPointer
    /// Where the next sequential read begins; after a failed one, where it began.
    package private(set) var position: Int

    /// A reader of `bytes` that begins at `position`, which may lie anywhere.
    package init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    /// How many bytes there are.
    package var count: Int { bytes.count }

    /// Whether all is read.
    package var isAtEnd: Bool { position >= bytes.count }

    // MARK: - One after the other

    /// The next `count` bytes.
    package mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard let slice = slice(position, count: count) else { return nil }
        position += count
        return slice
    }

    /// The next little-endian integer.
    package mutating func integer<Integer: FixedWidthInteger & BitwiseCopyable>(_ type: Integer.Type) -> Integer? {
        take(MemoryLayout<Integer>.size).map { Integer(littleEndian: $0.loadUnaligned(as: type)) }
    }

    // MARK: - Anywhere

    /// The byte at `offset`.
    package func u8(_ offset: Int) -> Int? {
        offset >= 0 && offset < bytes.count ? Int(bytes[offset]) : nil
    }

    /// An unsigned integer of `size` (1...4) bytes; of 8 bytes the bits of a signed one.
    package func integer(_ offset: Int, size: Int, bigEndian: Bool) -> Int? {
        guard offset >= 0, size <= bytes.count, offset <= bytes.count - size else { return nil }
        var value = 0
        for i in 0..<size {
            value = value << 8 | Int(bytes[offset + (bigEndian ? i : size - 1 - i)])
        }
        return value
    }

    /// `count` bytes from `offset` on.
    package func slice(_ offset: Int, count: Int) -> UnsafeRawBufferPointer? {
        guard offset >= 0, count >= 0, count <= bytes.count, offset <= bytes.count - count else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
    }

    /// Whether `text` stands at `offset`.
    package func has(_ text: String, at offset: Int) -> Bool {
        slice(offset, count: text.utf8.count)?.elementsEqual(text.utf8) ?? false
    }

    /// Whether the bytes begin with `text`; if so, what follows it.
    package func dropping(prefix text: String) -> UnsafeRawBufferPointer? {
        has(text, at: 0) ? slice(text.utf8.count, count: bytes.count - text.utf8.count) : nil
    }
}
