// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A text given as a file.
enum TextFile {
    /// Larger texts would take days to run; a file of this size is a mistake.
    static let maximumByteCount = 1 << 30

    /// The text of the file at `path`, `-` for standard input, byte for byte.
    ///
    /// - Throws: `CommandError` when it cannot be read, is too large or not UTF-8.
    static func read(_ path: String) throws -> String {
        let bytes: Data
        do {
            let file = path == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(filePath: path))
            bytes = try file.read(upToCount: maximumByteCount + 1) ?? Data()
        } catch {
            throw CommandError("\(path): cannot be read: \(error.localizedDescription)")
        }
        guard bytes.count <= maximumByteCount else {
            throw CommandError("\(path): larger than \(Format.bytes(Int64(maximumByteCount)))")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandError("\(path): not UTF-8")
        }
        return text
    }
}
