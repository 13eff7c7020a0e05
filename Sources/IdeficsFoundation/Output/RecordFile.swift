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

/// A file that grows by whole records.
///
/// One that could be written only in part (a full disk) is taken away again; what could not be written is kept, and written
/// before the next record.
package final class RecordFile {
    /// More is not kept.
    private static let maximumPendingByteCount = 64 << 20

    private let descriptor: Int32
    private let name: String
    private let writeBytes: ([UInt8], Int32) -> Int32
    private var byteCount: off_t
    private var pending: [UInt8] = []

    /// Opens the file at `url`, made if it is not there.
    ///
    /// - Parameters:
    ///   - url: the file.
    ///   - byteCount: how much of it stays; records are added there.
    ///   - writeBytes: writes to the file, or returns the system's number of the reason why not; for tests.
    /// - Throws: `OutputError`.
    package init(
        _ url: URL,
        keeping byteCount: Int = 0,
        writeBytes: @escaping ([UInt8], Int32) -> Int32 = { writeAll($0, to: $1) }
    ) throws {
        let descriptor = url.withSystemPath { open($0, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666) }
        guard descriptor >= 0 else { throw OutputError(name: url.path, code: errno) }
        self.descriptor = descriptor
        self.byteCount = off_t(byteCount)
        self.writeBytes = writeBytes
        name = url.path
        try cut()
    }

    deinit {
        close(descriptor)
    }

    /// Adds a record.
    ///
    /// - Throws: `OutputError`; the record is then written before the next one, if that can be written.
    package func append(_ record: some Collection<UInt8>) throws {
        guard pending.count + record.count <= Self.maximumPendingByteCount else {
            throw OutputError(name: name, code: ENOSPC)
        }
        pending += record
        let code = writeBytes(pending, descriptor)
        guard code == 0 else {
            // Cutting needs no room on the disk.
            try cut()
            throw OutputError(name: name, code: code)
        }
        byteCount += off_t(pending.count)
        pending = []
    }

    /// Makes sure that all records are on the disk.
    ///
    /// - Throws: `OutputError`.
    package func flush() throws {
        if !pending.isEmpty { try append([]) }
        guard fsync(descriptor) == 0 else { throw OutputError(name: name, code: errno) }
    }

    private func cut() throws {
        guard ftruncate(descriptor, byteCount) == 0, lseek(descriptor, byteCount, SEEK_SET) >= 0 else {
            throw OutputError(name: name, code: errno)
        }
    }
}
