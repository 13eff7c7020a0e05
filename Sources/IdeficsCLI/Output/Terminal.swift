// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Standard output and error: results go to the one, everything else to the other.
enum Terminal {
    /// Whether standard error is a terminal, where a progress bar may redraw its line.
    static let isErrorInteractive = isatty(STDERR_FILENO) == 1
    /// Whether standard input is a terminal.
    static let isInputInteractive = isatty(STDIN_FILENO) == 1

    /// Columns of the terminal at standard error; 80 where that is not known.
    static var errorColumns: Int {
        var size = winsize()
        // The request's type differs between systems.
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Writes `text` to standard output at once.
    static func write(_ text: String) {
        FileHandle.standardOutput.write(Data(text.utf8))
    }

    /// Writes a message line to standard error.
    static func note(_ text: String) {
        FileHandle.standardError.write(Data("\(text)\n".utf8))
    }

    /// Writes `text` to standard error without a line break.
    static func status(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }

    /// Shows `text` in place of what it showed before; on a terminal only.
    static func transient(_ text: String) {
        if isErrorInteractive { status("\r\u{1B}[K\(text)") }
    }

    /// Writes `value` to standard output as one line of JSON with sorted keys.
    static func writeJSON(_ value: some Encodable, isPretty: Bool = false) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
        encoder.keyEncodingStrategy = .convertToSnakeCase
        write(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
    }
}
