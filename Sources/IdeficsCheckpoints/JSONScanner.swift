// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A strict pull parser for JSON headers of hostile origin.
///
/// It accepts exactly RFC 8259 in valid UTF-8, refuses duplicate keys and more than 64 levels, and allocates no more
/// than the input is long. Errors name the file and the path of the value, such as `header["lm_head.weight"].shape[1]`.
package struct JSONScanner {
    private let bytes: UnsafeRawBufferPointer
    private let file: String
    private let root: String
    private var position = 0
    private var levels: [Level] = []

    private struct Level {
        let isObject: Bool
        var count = 0
        var key = ""
        var keys: Set<String> = []
    }

    private static let maximumDepth = 64

    /// A scanner of `bytes`, which outlive it; `root` is what errors call the whole document.
    package init(_ bytes: UnsafeRawBufferPointer, file: String, root: String) {
        self.bytes = bytes
        self.file = file
        self.root = root
    }

    /// Path of the value being read.
    package var field: String {
        levels.reduce(into: root) { path, level in
            guard level.count > 0 else { return }
            if !level.isObject {
                path += "[\(level.count - 1)]"
            } else if level.key.utf8.allSatisfy({ $0.isASCIILetter || $0 == UInt8(ascii: "_") }) {
                path += "." + level.key
            } else {
                path += "[\"\(level.key)\"]"
            }
        }
    }

    /// An error about the value being read.
    package func malformed(_ reason: String) -> CheckpointError {
        .malformed(file: file, field: field, reason: reason)
    }

    // MARK: - Containers

    /// Enters an object; call `nextKey` until it returns nil.
    package mutating func beginObject() throws {
        try begin("{", isObject: true)
    }

    /// The next key of the object, its value to be read next, or nil at the end of the object.
    package mutating func nextKey() throws -> String? {
        guard try next("}") else { return nil }
        let key = try string()
        guard levels[levels.count - 1].keys.insert(key).inserted else {
            throw malformed("the key \"\(key)\" appears twice")
        }
        levels[levels.count - 1].key = key
        try expect(":")
        return key
    }

    /// Enters an array; call `nextElement` until it returns false.
    package mutating func beginArray() throws {
        try begin("[", isObject: false)
    }

    /// Whether an element follows; it is to be read next.
    package mutating func nextElement() throws -> Bool {
        try next("]")
    }

    private mutating func begin(_ bracket: Unicode.Scalar, isObject: Bool) throws {
        guard peek() == UInt8(ascii: bracket) else {
            throw malformed("expected \(isObject ? "an object" : "an array"), found \(found())")
        }
        guard levels.count < Self.maximumDepth else { throw malformed("nested more than \(Self.maximumDepth) deep") }
        position += 1
        levels.append(Level(isObject: isObject))
    }

    /// Steps over the comma before the next member, or over the closing bracket, then returns false.
    private mutating func next(_ bracket: Unicode.Scalar) throws -> Bool {
        let last = levels.count - 1
        precondition(last >= 0 && levels[last].isObject == (bracket == "}"), "JSONScanner: not in this container")
        let byte = peek()
        if byte == UInt8(ascii: bracket) {
            position += 1
            levels.removeLast()
            return false
        }
        if levels[last].count > 0 {
            guard byte == UInt8(ascii: ",") else {
                throw malformed("expected \",\" or \"\(bracket)\", found \(found())")
            }
            position += 1
        }
        levels[last].count += 1
        return true
    }

    private mutating func expect(_ scalar: Unicode.Scalar) throws {
        guard peek() == UInt8(ascii: scalar) else { throw malformed("expected \"\(scalar)\", found \(found())") }
        position += 1
    }

    // MARK: - Values

    /// A whole number from 0 to `Int.max`, written without fraction or exponent.
    package mutating func naturalNumber() throws -> Int {
        guard let first = peek(), first.isASCIIDigit || first == UInt8(ascii: "-") else {
            throw malformed("expected a number, found \(found())")
        }
        let text = try scanNumber()
        guard first != UInt8(ascii: "-"), text.utf8.allSatisfy(\.isASCIIDigit) else {
            throw malformed("expected a whole number from 0 up, found \(text)")
        }
        guard let value = Int(text) else { throw malformed("the number \(text) is too large") }
        return value
    }

    /// A number, rounded to single precision, in which it must be finite.
    package mutating func float() throws -> Float {
        guard let first = peek(), first.isASCIIDigit || first == UInt8(ascii: "-") else {
            throw malformed("expected a number, found \(found())")
        }
        let text = try scanNumber()
        guard let value = Float(text), value.isFinite else { throw malformed("the number \(text) is too large") }
        return value
    }

    /// A string, its escapes resolved.
    package mutating func string() throws -> String {
        guard peek() == UInt8(ascii: "\"") else { throw malformed("expected a string, found \(found())") }
        position += 1
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                let text = try validated(bytes[start..<position])
                position += 1
                return text
            case UInt8(ascii: "\\"): return try escapedString(from: start)
            case 0..<0x20: throw malformed("a control character in a string")
            default: position += 1
            }
        }
        throw malformed("a string without end")
    }

    /// Steps over a value of any kind, checking its syntax.
    package mutating func skipValue() throws {
        switch peek() {
        case UInt8(ascii: "{"):
            try beginObject()
            while try nextKey() != nil { try skipValue() }
        case UInt8(ascii: "["):
            try beginArray()
            while try nextElement() { try skipValue() }
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        default: _ = try scanNumber()
        }
    }

    /// Checks that nothing but white space follows.
    package mutating func finish() throws {
        guard peek() == nil else { throw malformed("text after the end, at byte \(position)") }
    }

    private mutating func word(_ word: StaticString) throws {
        for offset in 0..<word.utf8CodeUnitCount {
            guard position < bytes.count, bytes[position] == word.utf8Start[offset] else {
                throw malformed("expected \(word)")
            }
            position += 1
        }
    }

    private mutating func scanNumber() throws -> String {
        let start = position
        func digits(_ position: inout Int) -> Int {
            let first = position
            while position < bytes.count, bytes[position].isASCIIDigit { position += 1 }
            return position - first
        }
        func at(_ characters: StaticString) -> Bool {
            position < bytes.count
                && (0..<characters.utf8CodeUnitCount).contains { characters.utf8Start[$0] == bytes[position] }
        }
        if at("-") { position += 1 }
        let hasLeadingZero = at("0")
        let whole = digits(&position)
        guard whole > 0, !hasLeadingZero || whole == 1 else { throw malformed("expected a value, found \(found())") }
        if at(".") {
            position += 1
            guard digits(&position) > 0 else { throw malformed("a number without digits after its point") }
        }
        if at("eE") {
            position += 1
            if at("+-") { position += 1 }
            guard digits(&position) > 0 else { throw malformed("a number without digits in its exponent") }
        }
        guard position - start <= 400 else { throw malformed("a number of \(position - start) characters") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    // MARK: - Strings with escapes

    private mutating func escapedString(from start: Int) throws -> String {
        var text = [UInt8](bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return try validated(text)
            case UInt8(ascii: "\\"): text += try escape()
            case 0..<0x20: throw malformed("a control character in a string")
            default: text.append(byte)
            }
        }
        throw malformed("a string without end")
    }

    private mutating func escape() throws -> [UInt8] {
        guard position < bytes.count else { throw malformed("a string without end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return Array(String(try unicodeEscape()).utf8)
        default: throw malformed("an unknown escape in a string")
        }
    }

    private mutating func unicodeEscape() throws -> Unicode.Scalar {
        let high = try hexQuad()
        if let scalar = Unicode.Scalar(high) { return scalar }
        // A high surrogate needs its low one; a low one alone is no character.
        if high < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        {
            position += 2
            let low = try hexQuad()
            if (0xDC00...0xDFFF).contains(low),
                let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
            {
                return scalar
            }
        }
        throw malformed("half a surrogate pair in a string")
    }

    private mutating func hexQuad() throws -> UInt32 {
        guard position + 4 <= bytes.count else { throw malformed("a string without end") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw malformed("an escape without four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private func validated(_ text: some Sequence<UInt8>) throws -> String {
        guard let string = String(validating: text, as: UTF8.self) else { throw malformed("a string is not UTF-8") }
        return string
    }

    // MARK: - Bytes

    /// The next byte that is not white space, not consumed; nil at the end.
    private mutating func peek() -> UInt8? {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return bytes[position]
            }
        }
        return nil
    }

    /// What stands at the position, for errors.
    private func found() -> String {
        switch position < bytes.count ? bytes[position] : nil {
        case nil: "the end"
        case UInt8(ascii: "{"): "an object"
        case UInt8(ascii: "["): "an array"
        case UInt8(ascii: "\""): "a string"
        case UInt8(ascii: "t"), UInt8(ascii: "f"): "true or false"
        case UInt8(ascii: "n"): "null"
        case let byte? where byte.isASCIIDigit || byte == UInt8(ascii: "-"): "a number"
        case let byte?: "byte \(byte) at \(position)"
        }
    }
}

extension UInt8 {
    fileprivate var isASCIIDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }
    fileprivate var isASCIILetter: Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= self | 0x20 }
}
