// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#else
internal import Darwin
#endif

/// An open file for writing at given positions, closed with its last reference.
package final class FileWriter: Sendable {
    /// Where the file is, for error messages.
    package let path: String
    private let descriptor: Int32

    /// Opens the file at `path`, creating it if needed; its content stays.
    package init(path: String) throws {
        guard !path.utf8.contains(0) else {
            throw NetworkError.file(path: printable(path), operation: "open", reason: "the name holds a NUL")
        }
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.error(path, "open") }
    }

    deinit { close(descriptor) }

    /// The file's size in bytes.
    package func size() throws -> Int64 {
        let end = lseek(descriptor, 0, SEEK_END)
        guard end >= 0 else { throw Self.error(path, "measure") }
        return Int64(end)
    }

    /// Cuts (or extends with zeros) the file to `size` bytes.
    package func truncate(to size: Int64) throws {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw Self.error(path, "truncate") }
    }

    /// Writes all of `bytes` at `position`.
    package func write(_ bytes: UnsafeRawBufferPointer, at position: Int64) throws {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = pwrite(descriptor, base + done, bytes.count - done, off_t(position) + off_t(done))
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw Self.error(path, "write")
            }
        }
    }

    /// Reads up to `buffer.count` bytes at `position`; 0 at the end of the file.
    package func read(_ buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws -> Int {
        while true {
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(position))
            if count >= 0 { return count }
            if errno != EINTR { throw Self.error(path, "read") }
        }
    }

    /// Waits until the content is on the disk.
    package func synchronize() throws {
        // EINVAL and ENOTSUP: pipes and some network file systems have nothing to synchronise.
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else { throw Self.error(path, "fsync") }
    }

    private static func error(_ path: String, _ operation: String) -> NetworkError {
        .file(path: path, operation: operation, reason: String(cString: strerror(errno)))
    }
}
