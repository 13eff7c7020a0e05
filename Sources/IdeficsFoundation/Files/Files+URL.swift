// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

extension Files {
    /// Whether something is there.
    ///
    /// A symbolic link that leads nowhere is: reading it fails, which is better than going on as if nobody had put it there.
    package static func exists(_ url: URL) -> Bool { status(url.path, followsLinks: false) != nil }

    /// More than files of settings and notes have.
    package static let smallFileLimit = 64 << 20

    /// The bytes of a file that is read once: a regular one, a pipe, or what else has an end.
    ///
    /// - Parameters:
    ///   - url: the file.
    ///   - limit: a file of more bytes is refused, wherever it ends.
    /// - Returns: its content.
    /// - Throws: `FileError`.
    package static func read(_ url: URL, limit: Int = smallFileLimit) throws -> Data {
        try read(url.path, limit: limit)
    }

    /// The bytes of a regular file, as those of a model are: a pipe in its place is not waited for.
    ///
    /// - Parameters:
    ///   - url: the file.
    ///   - limit: a file of more bytes is refused before any is read.
    /// - Returns: its content.
    /// - Throws: `FileError`, also for anything that is no regular file, and for a link that leads nowhere.
    package static func readRegular(_ url: URL, limit: Int = smallFileLimit) throws -> Data {
        try readRegular(url.path, limit: limit)
    }

    /// As `readRegular`; nil if nothing is there, not even a link.
    ///
    /// - Throws: `FileError`.
    package static func readRegularIfPresent(_ url: URL, limit: Int = smallFileLimit) throws -> Data? {
        exists(url) ? try readRegular(url, limit: limit) : nil
    }
}

extension FileError: LocalizedError {
    /// The reason alone, for messages that name the file themselves.
    public var errorDescription: String? { reason }
}
