// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Reading UTF-8 in byte arrays.

/// The length of the well-formed UTF-8 sequence at `position`, nil if there is none.
func validUTF8Length(_ bytes: [UInt8], at position: Int) -> Int? {
    guard position < bytes.count else { return nil }
    guard let (length, second) = utf8Lead(bytes[position]) else { return nil }
    guard position + length <= bytes.count else { return nil }
    for offset in 1..<max(length, 1) {
        let allowed = offset == 1 ? second : 0x80...0xBF
        guard allowed.contains(bytes[position + offset]) else { return nil }
    }
    return length
}

/// How long a sequence that starts with `byte` is and what its second byte may be; nil if none starts so.
func utf8Lead(_ byte: UInt8) -> (length: Int, second: ClosedRange<UInt8>)? {
    switch byte {
    case 0..<0x80: (1, 0x80...0xBF)
    case 0xC2...0xDF: (2, 0x80...0xBF)
    case 0xE0: (3, 0xA0...0xBF)
    case 0xED: (3, 0x80...0x9F)
    case 0xE1...0xEF: (3, 0x80...0xBF)
    case 0xF0: (4, 0x90...0xBF)
    case 0xF1...0xF3: (4, 0x80...0xBF)
    case 0xF4: (4, 0x80...0x8F)
    default: nil
    }
}

/// Whether all of `bytes` is well-formed.
func isValidUTF8(_ bytes: [UInt8]) -> Bool {
    var position = 0
    while position < bytes.count {
        guard let length = validUTF8Length(bytes, at: position) else { return false }
        position += length
    }
    return true
}

/// The length of the sequence that starts with `lead`; the text must be well-formed.
@inline(__always)
func utf8Length(lead: UInt8) -> Int {
    lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
}

/// The scalar at `position` of well-formed text, and its length.
@inline(__always)
func scalar(_ bytes: [UInt8], at position: Int) -> (value: UInt32, length: Int) {
    let lead = UInt32(bytes[position])
    if lead < 0x80 { return (lead, 1) }
    let second = UInt32(bytes[position + 1] & 0x3F)
    if lead < 0xE0 { return ((lead & 0x1F) << 6 | second, 2) }
    let third = UInt32(bytes[position + 2] & 0x3F)
    if lead < 0xF0 { return ((lead & 0x0F) << 12 | second << 6 | third, 3) }
    return ((lead & 0x07) << 18 | second << 12 | third << 6 | UInt32(bytes[position + 3] & 0x3F), 4)
}

/// The scalar that ends before `position` of well-formed text, and its length; `position` must not be 0.
func scalar(_ bytes: [UInt8], before position: Int) -> (value: UInt32, length: Int) {
    var start = position - 1
    while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return scalar(bytes, at: start)
}

/// Turns a stream of bytes into well-formed UTF-8, each ill-formed part replaced by U+FFFD.
///
/// The parts are the maximal subparts of the Unicode standard (3.9), as Rust's `from_utf8_lossy` has it. What may
/// yet become a character is held back, at most three bytes.
struct UTF8Repairer {
    private var pending: [UInt8] = []
    private var length = 0
    private var allowed: ClosedRange<UInt8> = 0x80...0xBF

    mutating func append(_ byte: UInt8, to output: inout [UInt8]) {
        if !pending.isEmpty {
            if allowed.contains(byte) {
                pending.append(byte)
                allowed = 0x80...0xBF
                if pending.count == length {
                    output.append(contentsOf: pending)
                    pending.removeAll(keepingCapacity: true)
                }
                return
            }
            finish(to: &output)
        }
        guard let lead = utf8Lead(byte) else {
            output.append(contentsOf: UTF8.encodedReplacementCharacter)
            return
        }
        if lead.length == 1 {
            output.append(byte)
        } else {
            pending.append(byte)
            (length, allowed) = lead
        }
    }

    /// Replaces what is held back.
    mutating func finish(to output: inout [UInt8]) {
        guard !pending.isEmpty else { return }
        pending.removeAll(keepingCapacity: true)
        output.append(contentsOf: UTF8.encodedReplacementCharacter)
    }
}
