// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A name or value out of a file, an argument or an answer, for a message: on one line, of bounded length, and without
/// characters that would steer a terminal.
///
/// Control and format characters are written as `\u{1b}`, bytes of a path that are not UTF-8 as U+FFFD.
///
/// - Parameters:
///   - text: what the message is about.
///   - limit: how many scalars of it are shown.
/// - Returns: the text to show.
package func printable(_ text: String, limit: Int = 300) -> String {
    var result = String.UnicodeScalarView()
    for (count, scalar) in text.unicodeScalars.enumerated() {
        if count == limit { return String(result) + "..." }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: result.append(contentsOf: escaped(scalar))
        default: result.append(PathBytes.isEscape(scalar) ? "\u{FFFD}" : scalar)
        }
    }
    return String(result)
}

/// Text of many lines for a terminal: every control character but line ends and tabs is written as `\u{1b}`.
///
/// Messages pass through it, and what a model writes, which may have learnt escape sequences.
///
/// - Parameter text: what is to be shown.
/// - Returns: the text to show.
package func withoutControls(_ text: String) -> String {
    func isSteering(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A: false
        case 0..<0x20, 0x7F..<0xA0: true
        default: PathBytes.isEscape(scalar)
        }
    }
    guard text.unicodeScalars.contains(where: isSteering) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        if !isSteering(scalar) {
            result.append(scalar)
        } else if PathBytes.isEscape(scalar) {
            result.append("\u{FFFD}")
        } else {
            result.append(contentsOf: escaped(scalar))
        }
    }
    return String(result)
}

private func escaped(_ scalar: Unicode.Scalar) -> String.UnicodeScalarView {
    "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars
}
