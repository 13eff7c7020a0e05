// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// A text given as a file.
enum TextFile {
    /// Larger texts would take days to run; a file of this size is a mistake.
    static let maximumByteCount = 1 << 30

    /// The text of the file at `path`, `-` for standard input, without the byte order mark that some editors put before it.
    ///
    /// - Throws: `FileError` when it cannot be read or is too large, `CommandError` when it is not UTF-8.
    static func read(_ path: String) throws -> String {
        let bytes = try ByteStream.readAll(path, limit: maximumByteCount)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandError("\(path): not UTF-8")
        }
        return text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
    }
}
