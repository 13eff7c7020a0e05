// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A JSON text that cannot be read, or holds something else than was expected.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file the text is from, as messages name it.
    package let file: String
    /// Where in the value: dotted, with array indices (`decoder.decoders[2].type`); empty for the whole.
    package let path: String
    /// Where in the text, counted from 1; nil when not known.
    package let line: Int?
    /// The column in bytes, counted from 1; nil when not known.
    package let column: Int?
    /// What is wrong there.
    package let reason: String

    /// A complaint about `file`.
    package init(file: String, path: String = "", line: Int? = nil, column: Int? = nil, reason: String) {
        self.file = file
        self.path = path
        self.line = line
        self.column = column
        self.reason = reason
    }

    /// Where, without the file: `line 3, column 7, dropout`.
    package var place: String {
        [line.map { "line \($0)" }, column.map { "column \($0)" }, path.isEmpty ? nil : printable(path)]
            .compactMap(\.self).joined(separator: ", ")
    }

    /// For people: file, place and reason.
    package var description: String {
        "\(printable(file))\(place.isEmpty ? "" : ", \(place)"): \(printable(reason))"
    }
}
