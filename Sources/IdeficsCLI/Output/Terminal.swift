// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// Standard output and error: results go to the one, everything else to the other.
enum Terminal {
    /// Whether standard error is a terminal, where a progress bar may redraw its line.
    static let isErrorInteractive = StandardStreams.isErrorTerminal
    /// Whether standard input is a terminal.
    static let isInputInteractive = StandardStreams.isInputTerminal

    /// Columns of the terminal at standard error; 80 where that is not known.
    static var errorColumns: Int {
        var size = winsize()
        // The request's type differs between systems.
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Writes `text` to standard output at once.
    ///
    /// - Throws: `OutputError`.
    static func write(_ text: String) throws {
        try StandardStreams.writeResult(text)
    }

    /// Writes a path as a line to standard output.
    ///
    /// - Throws: `OutputError`.
    static func write(path: String) throws {
        try StandardStreams.writeResult(path: path)
    }

    /// Writes a message line to standard error.
    static func note(_ text: String) {
        StandardStreams.writeMessage("\(text)\n")
    }

    /// Writes `text` to standard error without a line break.
    static func status(_ text: String) {
        StandardStreams.writeMessage(text)
    }

    /// Shows `text` in place of what it showed before, as much of it as fits one line; on a terminal only.
    static func transient(_ text: String) {
        guard isErrorInteractive else { return }
        // A line that is wrapped cannot be taken back: every redrawing would leave one behind.
        var line = text.prefix(max(errorColumns - 1, 1))
        if line.count < text.count, text[line.endIndex] != " ", let end = line.lastIndex(of: " ") {
            // Half a number would be another number.
            line = line[..<end]
        }
        StandardStreams.writeMessage(String(line), after: "\r\u{1B}[K")
    }

    /// Writes `value` to standard output as one line of JSON with sorted keys.
    ///
    /// - Throws: `OutputError`.
    static func writeJSON(_ value: some Encodable, isPretty: Bool = false) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let json = String(decoding: try encoder.encode(value), as: UTF8.self)
        try write(escapingControls(json) + "\n")
    }

    /// JSON that means the same, with the control characters escaped that JSON would let stand: DEL and those of ISO 6429,
    /// which some terminals obey.
    private static func escapingControls(_ json: String) -> String {
        guard json.unicodeScalars.contains(where: { 0x7F..<0xA0 ~= $0.value }) else { return json }
        var result = String.UnicodeScalarView()
        for scalar in json.unicodeScalars {
            if 0x7F..<0xA0 ~= scalar.value {
                result.append(contentsOf: "\\u00\(String(scalar.value, radix: 16))".unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
}
