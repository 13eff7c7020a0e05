// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Bounds-checked reads from borrowed bytes; every read outside them is nil.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var count: Int { bytes.count }

    func u8(_ offset: Int) -> Int? {
        offset >= 0 && offset < bytes.count ? Int(bytes[offset]) : nil
    }

    /// An unsigned integer of `size` (1...4) bytes.
    func integer(_ offset: Int, size: Int, bigEndian: Bool) -> Int? {
        guard offset >= 0, size <= bytes.count, offset <= bytes.count - size else { return nil }
        var value = 0
        for i in 0..<size {
            value = value << 8 | Int(bytes[offset + (bigEndian ? i : size - 1 - i)])
        }
        return value
    }

    func slice(_ offset: Int, count: Int) -> UnsafeRawBufferPointer? {
        guard offset >= 0, count >= 0, count <= bytes.count, offset <= bytes.count - count else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
    }

    func has(_ text: String, at offset: Int) -> Bool {
        slice(offset, count: text.utf8.count)?.elementsEqual(text.utf8) ?? false
    }

    /// Whether the bytes begin with `text`; if so, what follows it.
    func dropping(prefix text: String) -> UnsafeRawBufferPointer? {
        has(text, at: 0) ? slice(text.utf8.count, count: bytes.count - text.utf8.count) : nil
    }
}
