// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A file that appears whole or not at all: written beside its place, flushed to the disk, then renamed.
///
/// Until `commit` returns, what was at the place before is untouched; an abandoned file removes itself.
package final class AtomicFile {
    private let path: String
    private let temporaryPath: String
    private let file: FileWriter
    private var isCommitted = false

    /// Begins the file that is to appear at `url`.
    ///
    /// - Throws: `FileError`, also when something other than a regular file is there.
    package convenience init(_ url: URL) throws { try self.init(path: url.path) }

    /// Begins the file that is to appear at `path`.
    ///
    /// - Throws: `FileError`, also when something other than a regular file is there.
    package init(path: String) throws {
        self.path = path
        // Renaming over a device or a pipe would replace it.
        if let status = Files.status(path), status.st_mode & S_IFMT != S_IFREG {
            throw FileError(path, "write", reason: "it exists and is not a regular file")
        }
        try Files.checkLength(path)
        let (folder, name) = Files.split(path)
        temporaryPath = "\(folder)/\(TemporaryName(for: name).content)"
        file = try FileWriter(path: temporaryPath, isNew: true, named: path)
    }

    deinit {
        if !isCommitted { Files.remove(temporaryPath) }
    }

    /// Writes `bytes` at `offset`.
    ///
    /// - Throws: `FileError`.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        try file.write(bytes, at: Int64(offset))
    }

    /// Makes the file appear at its place.
    ///
    /// - Throws: `FileError`; what was there before is then untouched.
    package func commit() throws {
        try file.synchronize()
        try Files.rename(temporaryPath, to: path)
        isCommitted = true
        Files.flush(folder: Files.split(path).folder)
    }

    /// Writes `data` as the whole file at `url`.
    ///
    /// - Throws: `FileError`.
    package static func write(_ data: Data, to url: URL) throws {
        try write(data, toPath: url.path)
    }

    /// Writes `data` as the whole file at `path`.
    ///
    /// - Throws: `FileError`.
    package static func write(_ data: Data, toPath path: String) throws {
        let file = try AtomicFile(path: path)
        try data.withUnsafeBytes { try file.write($0, at: 0) }
        try file.commit()
    }
}
