// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif
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
    private let url: URL
    private let temporaryPath: String
    private var descriptor: Int32

    /// Begins the file that is to appear at `url`.
    ///
    /// - Throws: `CheckpointError.unwritable`, also when something other than a regular file is there.
    init(_ url: URL) throws {
        self.url = url
        var status = stat()
        // Renaming over a device or a pipe would replace it.
        if stat(url.path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            throw CheckpointError.unwritable(file: url.path, reason: "it exists and is not a regular file")
        }
        let unique = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        temporaryPath = url.deletingLastPathComponent().appending(path: ".\(url.lastPathComponent).\(unique).tmp").path
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw CheckpointError.unwritable(file: url.path, reason: String(cString: strerror(errno)))
        }
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(temporaryPath)
    }

    /// Writes `bytes` at `offset`.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let written = pwrite(descriptor, piece.baseAddress, piece.count, off_t(offset + rest.startIndex))
            guard written > 0 else {
                if written < 0, errno == EINTR { continue }
                throw failure()
            }
            rest = rest.dropFirst(written)
        }
    }

    /// Makes the file appear at its place.
    ///
    /// - Throws: `CheckpointError.unwritable`; what was there before is then untouched.
    func commit() throws {
        guard fsync(descriptor) == 0 else { throw failure() }
        guard rename(temporaryPath, url.path) == 0 else { throw failure() }
        close(descriptor)
        descriptor = -1
        Self.flushFolder(of: url)
    }

    /// Flushes the folder that `url` lies in, where a rename lives.
    ///
    /// Some file systems cannot flush one; what was renamed is whole all the same.
    static func flushFolder(of url: URL) {
        let folder = open(url.deletingLastPathComponent().path, O_RDONLY | O_CLOEXEC)
        if folder >= 0 {
            _ = fsync(folder)
            close(folder)
        }
    }

    /// Writes `data` as the whole file at `url`.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package static func write(_ data: Data, to url: URL) throws {
        let file = try AtomicFile(url)
        try data.withUnsafeBytes { try file.write($0, at: 0) }
        try file.commit()
    }

    private func failure() -> CheckpointError {
        .unwritable(file: url.path, reason: String(cString: strerror(errno)))
    }
}
