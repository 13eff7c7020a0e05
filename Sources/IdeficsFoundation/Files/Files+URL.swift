// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

extension Files {
    /// Whether something is there, symbolic links followed.
    package static func exists(_ url: URL) -> Bool { status(url.path) != nil }

    /// The bytes of a file that is read once: a regular one, a pipe, or what else has an end.
    ///
    /// - Parameters:
    ///   - url: the file.
    ///   - limit: a file of more bytes is refused, wherever it ends.
    /// - Returns: its content.
    /// - Throws: `FileError`.
    package static func read(_ url: URL, limit: Int = .max) throws -> Data {
        try read(url.path, limit: limit)
    }
}

extension FileError: LocalizedError {
    /// The reason alone, for messages that name the file themselves.
    public var errorDescription: String? { reason }
}
