// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A parsed JSON text as a flat list of nodes over the file's own bytes.
///
/// A tokenizer file is one object with 10⁵ strings: building values for all of them costs far more than
/// reading them, so a node only says where its text is and strings are unescaped when asked for.
package final class JSONDocument: Sendable {
    /// What a node is.
    package enum Kind: UInt8, Sendable {
        case object
        case array
        case string
        case escapedString
        /// A string with half a surrogate pair, as Python writes it: no text, and refused where somebody reads it.
        case brokenString
        /// Python's `NaN`, `Infinity` and `-Infinity`, too.
        case number
        case true_
        case false_
        case null
    }

    /// One value; a container's children follow it (key, value, key, value … in an object).
    package struct Node: Sendable {
        package var kind: Kind
        /// The text of the value; for a string, what is between the quotes.
        package var start: UInt32
        package var end: UInt32
        /// The index of the node after this one and its children.
        package var next: UInt32
    }

    /// The file's name, for errors.
    package let file: String
    package let bytes: [UInt8]
    package let nodes: [Node]

    init(file: String, bytes: [UInt8], nodes: [Node]) {
        self.file = file
        self.bytes = bytes
        self.nodes = nodes
    }

    /// Parses `bytes`, which must be one JSON value and nothing else.
    ///
    /// - Throws: `JSONError` with line and column.
    package static func parse(_ bytes: [UInt8], file: String) throws -> JSONDocument {
        var parser = JSONParser(file: file, bytes: bytes)
        try parser.parseDocument()
        return JSONDocument(file: file, bytes: bytes, nodes: parser.nodes)
    }

    /// The whole text as a field without a path.
    package var root: JSONField { JSONField(document: self, index: 0, path: "") }

    // MARK: - Strings

    /// Whether the node at `index` is a string.
    package func isString(at index: Int) -> Bool {
        switch nodes[index].kind {
        case .string, .escapedString, .brokenString: true
        default: false
        }
    }

    /// Whether the node at `index` is a string that is text: without half a surrogate pair.
    package func isText(at index: Int) -> Bool {
        nodes[index].kind == .string || nodes[index].kind == .escapedString
    }

    /// The string at `index`, which must be a string.
    package func string(at index: Int) -> String {
        let node = nodes[index]
        if node.kind == .string {
            return String(decoding: bytes[Int(node.start)..<Int(node.end)], as: UTF8.self)
        }
        var output: [UInt8] = []
        appendString(at: index, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// Whether the node at `index` is the string `text`.
    package func isString(at index: Int, equalTo text: StaticString) -> Bool {
        let node = nodes[index]
        guard node.kind == .string else {
            return isText(at: index) && string(at: index).utf8.elementsEqual("\(text)".utf8)
        }
        guard Int(node.end - node.start) == text.utf8CodeUnitCount else { return false }
        // SAFETY: offset < utf8CodeUnitCount of a literal with a pointer representation.
        return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[Int(node.start) + $0] == text.utf8Start[$0] }
    }

    /// Appends the UTF-8 of the string at `index`, unescaped, to `output`; the node must be a string.
    ///
    /// Half a surrogate pair becomes U+FFFD.
    package func appendString(at index: Int, to output: inout [UInt8]) {
        let node = nodes[index]
        let text = bytes[Int(node.start)..<Int(node.end)]
        guard node.kind != .string else {
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
                var unit = codeUnit(at: position)
                position += 4
                if unit & 0xFC00 == 0xD800, let low = lowSurrogate(in: text, at: position) {
                    unit = 0x10000 + (unit & 0x3FF) << 10 + low & 0x3FF
                    position += 6
                }
                let scalar = Unicode.Scalar(unit) ?? "\u{FFFD}"
                output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            default: output.append(escape)
            }
        }
    }

    /// The second half of a surrogate pair, if its escape is at `position`.
    private func lowSurrogate(in text: ArraySlice<UInt8>, at position: Int) -> UInt32? {
        guard position + 6 <= text.endIndex, text[position] == UInt8(ascii: "\\"),
            text[position + 1] == UInt8(ascii: "u")
        else { return nil }
        let unit = codeUnit(at: position + 2)
        return unit & 0xFC00 == 0xDC00 ? unit : nil
    }

    /// The four hexadecimal digits at `position`, which the parser has checked.
    private func codeUnit(at position: Int) -> UInt32 {
        bytes[position..<position + 4].reduce(0) { value, digit in
            value << 4 | UInt32(digit <= UInt8(ascii: "9") ? digit - UInt8(ascii: "0") : (digit | 0x20) - 87)
        }
    }

    // MARK: - Numbers

    /// The number at `index` if it is written as an integer that fits.
    package func integer(at index: Int) -> Int? {
        let node = nodes[index]
        guard node.kind == .number else { return nil }
        var position = Int(node.start)
        let isNegative = bytes[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }
        var value = 0
        while position < Int(node.end) {
            let digit = Int(bytes[position]) - 48
            guard 0...9 ~= digit else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowed) = product.subtractingReportingOverflow(digit)
            guard !overflow, !overflowed else { return nil }
            value = sum
            position += 1
        }
        // Summed up below zero, where there is one more.
        return isNegative ? value : value == .min ? nil : -value
    }
}
