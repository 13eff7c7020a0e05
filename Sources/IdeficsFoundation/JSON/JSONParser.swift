// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A JSON reader (RFC 8259) that fills a `JSONDocument`.
///
/// Beyond the standard it takes what other software writes: a byte order mark before the text, and Python's `NaN`,
/// `Infinity` and `-Infinity`. Otherwise it is strict: valid UTF-8, no trailing text, nesting and size bounded.
struct JSONParser {
    /// As deep as Foundation's and, about, Python's.
    static let maximumDepth = 512
    /// 16 bytes each; the largest published vocabularies (262,144 pieces) need about 2 million.
    static let maximumNodes = 16_000_000

    let file: String
    let bytes: [UInt8]
    private(set) var nodes: [JSONDocument.Node] = []
    private var position = 0

    init(file: String, bytes: [UInt8]) {
        self.file = file
        self.bytes = bytes
        nodes.reserveCapacity(min(bytes.count / 12 + 16, Self.maximumNodes))
    }

    mutating func parseDocument() throws {
        guard bytes.count < Int(UInt32.max) else { throw malformed("the text is too large") }
        try checkEncoding()
        if GitLFS.isPointer(bytes) { throw malformed(GitLFS.pointerReason) }
        if bytes.starts(with: JSONError.byteOrderMark) { position = JSONError.byteOrderMark.count }
        try parseValue(depth: 0)
        skipSpace()
        if position != bytes.count { throw malformed("text after the end of the value") }
    }

    /// Refuses what is no UTF-8.
    private mutating func checkEncoding() throws {
        let isWide = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        // A JSON text has no zero bytes; in UTF-16 and UTF-32 one of its first two characters gives some.
        guard !isWide, bytes.prefix(4).allSatisfy({ $0 != 0 }) || bytes.prefix(4).allSatisfy({ $0 == 0 }) else {
            throw malformed("the text is in UTF-16 or UTF-32; save it as UTF-8")
        }
        guard !bytes.withUnsafeBufferPointer({ String(validating: $0, as: UTF8.self) == nil }) else {
            position = firstInvalidByte
            throw malformed("byte 0x\(String(bytes[position], radix: 16)) is not valid UTF-8; save the text as UTF-8")
        }
    }

    /// Where the text stops being UTF-8; it must.
    private var firstInvalidByte: Int {
        var parser = UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var offset = 0
        while case .valid(let scalar) = parser.parseScalar(from: &iterator) { offset += scalar.count }
        return min(offset, bytes.count - 1)
    }

    // MARK: - Values

    private mutating func parseValue(depth: Int) throws {
        if depth > Self.maximumDepth { throw malformed("nested deeper than \(Self.maximumDepth)") }
        skipSpace()
        switch peek() {
        case UInt8(ascii: "{"): try parseContainer(.object, closing: UInt8(ascii: "}"), depth: depth)
        case UInt8(ascii: "["): try parseContainer(.array, closing: UInt8(ascii: "]"), depth: depth)
        case UInt8(ascii: "\""): try parseString()
        case UInt8(ascii: "t"): try parseLiteral("true", .true_)
        case UInt8(ascii: "f"): try parseLiteral("false", .false_)
        case UInt8(ascii: "n"): try parseLiteral("null", .null)
        case UInt8(ascii: "N"): try parseLiteral("NaN", .number)
        case UInt8(ascii: "I"): try parseLiteral("Infinity", .number)
        case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): try parseNumber()
        case nil: throw malformed(nodes.isEmpty ? "the text is empty" : "the text ends in the middle of a value")
        default: throw malformed("a value was expected")
        }
    }

    private mutating func parseContainer(_ kind: JSONDocument.Kind, closing: UInt8, depth: Int) throws {
        let index = nodes.count
        try append(kind, from: position, to: position)
        position += 1
        skipSpace()
        if peek() == closing {
            position += 1
        } else {
            while true {
                if kind == .object { try parseKey() }
                try parseValue(depth: depth + 1)
                skipSpace()
                let byte = peek()
                guard byte == UInt8(ascii: ",") || byte == closing else {
                    let end = kind == .object ? "}" : "]"
                    throw malformed(byte == nil ? "the text ends before '\(end)'" : "',' or '\(end)' was expected")
                }
                position += 1
                if byte == closing { break }
            }
        }
        nodes[index].end = UInt32(position)
        nodes[index].next = UInt32(nodes.count)
    }

    private mutating func parseKey() throws {
        skipSpace()
        guard peek() == UInt8(ascii: "\"") else { throw malformed("a key in double quotes was expected") }
        try parseString()
        skipSpace()
        guard peek() == UInt8(ascii: ":") else { throw malformed("':' was expected") }
        position += 1
    }

    private mutating func parseLiteral(
        _ literal: StaticString,
        _ kind: JSONDocument.Kind,
        from start: Int? = nil
    ) throws {
        let start = start ?? position
        for index in 0..<literal.utf8CodeUnitCount {
            // SAFETY: index < utf8CodeUnitCount of a literal with a pointer representation.
            guard peek() == literal.utf8Start[index] else { throw malformed("a value was expected") }
            position += 1
        }
        try append(kind, from: start, to: position)
    }

    private mutating func parseNumber() throws {
        let start = position
        if peek() == UInt8(ascii: "-") {
            position += 1
            if peek() == UInt8(ascii: "I") { return try parseLiteral("Infinity", .number, from: start) }
        }
        if peek() == UInt8(ascii: "0") {
            position += 1
        } else {
            try parseDigits()
        }
        if peek() == UInt8(ascii: ".") {
            position += 1
            try parseDigits()
        }
        if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
            position += 1
            if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
            try parseDigits()
        }
        try append(.number, from: start, to: position)
    }

    private mutating func parseDigits() throws {
        let start = position
        while let byte = peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        if position == start { throw malformed("a digit was expected") }
    }

    // MARK: - Strings

    private mutating func parseString() throws {
        position += 1
        let start = position
        var kind = JSONDocument.Kind.string
        while true {
            guard let byte = peek() else { throw malformed("the text ends inside a string") }
            switch byte {
            case UInt8(ascii: "\""):
                try append(kind, from: start, to: position)
                position += 1
                return
            case UInt8(ascii: "\\"):
                if try !parseEscape() { kind = .brokenString }
                if kind == .string { kind = .escapedString }
            case 0..<0x20:
                throw malformed("a control character inside a string")
            default:
                position += 1
            }
        }
    }

    /// Steps over an escape, or both of a surrogate pair; false if it is half of one.
    private mutating func parseEscape() throws -> Bool {
        position += 1
        switch peek() {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
            return true
        case UInt8(ascii: "u"):
            let unit = try parseHex4()
            guard unit & 0xF800 == 0xD800 else { return true }
            guard unit & 0xFC00 == 0xD800, peek() == UInt8(ascii: "\\"), position + 1 < bytes.count,
                bytes[position + 1] == UInt8(ascii: "u")
            else { return false }
            let second = position
            position += 1
            if try parseHex4() & 0xFC00 == 0xDC00 { return true }
            // The second escape stands for itself.
            position = second
            return false
        default:
            throw malformed("an unknown escape")
        }
    }

    private mutating func parseHex4() throws -> UInt32 {
        position += 1
        var value: UInt32 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch peek() {
            case .some(let byte) where byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"):
                digit = byte - UInt8(ascii: "0")
            case .some(let byte) where byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "f"):
                digit = (byte | 0x20) - UInt8(ascii: "a") + 10
            default: throw malformed("four hexadecimal digits were expected")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    // MARK: - Bytes

    private func peek() -> UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func append(_ kind: JSONDocument.Kind, from start: Int, to end: Int) throws {
        guard nodes.count < Self.maximumNodes else { throw malformed("more than \(Self.maximumNodes) values") }
        nodes.append(.init(kind: kind, start: UInt32(start), end: UInt32(end), next: UInt32(nodes.count + 1)))
    }

    private func malformed(_ reason: String) -> JSONError {
        JSONError(file: file, in: bytes, at: position, reason: reason)
    }
}
