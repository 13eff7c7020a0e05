// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A parsed JSON text as a flat list of nodes over the file's own bytes.
///
/// A tokenizer file is one object with 10⁵ strings: building values for all of them costs far more than
/// reading them, so a node only says where its text is and strings are unescaped when asked for.
final class JSONDocument: Sendable {
    /// What a node is.
    enum Kind: UInt8 {
        case object
        case array
        case string
        case escapedString
        case number
        case true_
        case false_
        case null
    }

    /// One value; a container's children follow it (key, value, key, value … in an object).
    struct Node {
        var kind: Kind
        /// The text of the value; for a string, what is between the quotes.
        var start: UInt32
        var end: UInt32
        /// The index of the node after this one and its children.
        var next: UInt32
    }

    /// The file's name, for errors.
    let file: String
    let bytes: [UInt8]
    let nodes: [Node]

    init(file: String, bytes: [UInt8], nodes: [Node]) {
        self.file = file
        self.bytes = bytes
        self.nodes = nodes
    }

    /// Parses `bytes`, which must be one JSON value and nothing else.
    static func parse(_ bytes: [UInt8], file: String) throws -> JSONDocument {
        var parser = JSONParser(file: file, bytes: bytes)
        try parser.parseDocument()
        return JSONDocument(file: file, bytes: bytes, nodes: parser.nodes)
    }

    /// The whole text as a field without a path.
    var root: JSONField { JSONField(document: self, index: 0, path: "") }

    /// Appends the UTF-8 of the string at `index`, unescaped, to `output`; the node must be a string.
    func appendString(at index: Int, to output: inout [UInt8]) {
        let node = nodes[index]
        let text = bytes[Int(node.start)..<Int(node.end)]
        guard node.kind == .escapedString else {
            output.append(contentsOf: text)
            return
        }
        var position = text.startIndex
        while position < text.endIndex {
            let byte = text[position]
            guard byte == UInt8(ascii: "\\") else {
                output.append(byte)
                position += 1
                continue
            }
            let escape = text[position + 1]
            position += 2
            switch escape {
            case UInt8(ascii: "b"): output.append(0x08)
            case UInt8(ascii: "f"): output.append(0x0C)
            case UInt8(ascii: "n"): output.append(0x0A)
            case UInt8(ascii: "r"): output.append(0x0D)
            case UInt8(ascii: "t"): output.append(0x09)
            case UInt8(ascii: "u"):
                var scalar = hex4(at: position)
                position += 4
                if scalar & 0xFC00 == 0xD800 {
                    // The parser has checked that the low half follows as another \u.
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + hex4(at: position + 2) & 0x3FF
                    position += 6
                }
                appendScalar(scalar, to: &output)
            default: output.append(escape)
            }
        }
    }

    /// The string at `index`, which must be a string.
    func string(at index: Int) -> String {
        var output: [UInt8] = []
        appendString(at: index, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// Whether the node at `index` is a string.
    func isString(at index: Int) -> Bool {
        nodes[index].kind == .string || nodes[index].kind == .escapedString
    }

    /// The number at `index` if it is written as an integer that fits.
    func integer(at index: Int) -> Int? {
        let node = nodes[index]
        guard node.kind == .number else { return nil }
        return Int(String(decoding: bytes[Int(node.start)..<Int(node.end)], as: UTF8.self))
    }

    private func hex4(at position: Int) -> UInt32 {
        bytes[position..<position + 4].reduce(0) { $0 << 4 | UInt32(Character(UnicodeScalar($1)).hexDigitValue ?? 0) }
    }
}

/// Appends the UTF-8 of `scalar`, which must be a Unicode scalar value.
func appendScalar(_ scalar: UInt32, to output: inout [UInt8]) {
    guard let scalar = Unicode.Scalar(scalar) else { return }
    output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
}
