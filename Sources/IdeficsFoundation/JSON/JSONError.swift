// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A JSON text that cannot be read, or holds something else than was expected.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file the text is from, as messages name it.
    package let file: String
    /// Where in the value: dotted, with array indices (`decoder.decoders[2].type`); empty for the whole.
    package let path: String
    /// Where in the text, counted from 1; nil when the text is JSON and only its value is wrong.
    package let line: Int?
    /// The column in bytes, counted from 1; nil when the text is JSON and only its value is wrong.
    package let column: Int?
    /// What is wrong there.
    package let reason: String

    /// What is said of a key that must be there and is not.
    package static let missing = "is missing"

    /// A complaint about `file`.
    package init(file: String, path: String = "", line: Int? = nil, column: Int? = nil, reason: String) {
        self.file = file
        self.path = path
        self.line = line
        self.column = column
        self.reason = reason
    }

    /// Whether the text is no JSON, whatever was expected of its value.
    package var isMalformed: Bool { line != nil }

    /// Where, without the file: `line 3, column 7, dropout`.
    package var place: String {
        [line.map { "line \($0)" }, column.map { "column \($0)" }, path.isEmpty ? nil : printable(path)]
            .compactMap(\.self).joined(separator: ", ")
    }

    /// What is wrong with a text that is no JSON, and where in it: `not valid JSON at line 3, column 7: …`.
    package var reasonWithPlace: String {
        isMalformed ? "not valid JSON at \(place): \(printable(reason))" : printable(reason)
    }

    /// For people: file, place and reason.
    package var description: String {
        let name = printable(file)
        if isMalformed { return "\(name): \(reasonWithPlace)" }
        return "\(name): \(path.isEmpty ? "" : "\(printable(path)): ")\(printable(reason))"
    }
}

extension JSONError {
    /// The bytes that some editors put before a text in UTF-8.
    static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// A complaint about the byte at `offset` of `bytes`.
    init(file: String, in bytes: [UInt8], at offset: Int, reason: String) {
        let start = bytes.starts(with: Self.byteOrderMark) ? Self.byteOrderMark.count : 0
        let before = bytes[min(start, offset)..<min(offset, bytes.count)]
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? before.startIndex
        self.init(
            file: file,
            line: 1 + before.count { $0 == UInt8(ascii: "\n") },
            column: 1 + before.endIndex - lineStart,
            reason: reason
        )
    }
}
