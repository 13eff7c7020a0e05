// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// An open file for writing at given positions, closed with its last reference.
package final class FileWriter: Sendable {
    /// Where the file is, or is to be, for messages.
    package let path: String
    private let descriptor: Int32

    /// Opens the file at `path`, creating it if needed; its content stays.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - isNew: whether it must not be there yet.
    ///   - name: what errors call it; nil for its path.
    /// - Throws: `FileError`.
    package init(path: String, isNew: Bool = false, named name: String? = nil) throws {
        self.path = name ?? path
        do {
            descriptor = try Files.open(path, "write", O_RDWR | O_CREAT | (isNew ? O_EXCL : 0))
        } catch let error as FileError where name != nil {
            throw FileError(self.path, "write", code: error.code)
        }
    }

    deinit { close(descriptor) }

    /// The file's size in bytes.
    package func size() throws -> Int64 {
        let end = lseek(descriptor, 0, SEEK_END)
        guard end >= 0 else { throw failure("measure") }
        return Int64(end)
    }

    /// Cuts (or extends with zeros) the file to `size` bytes.
    package func truncate(to size: Int64) throws {
        while ftruncate(descriptor, off_t(size)) != 0 {
            if errno != EINTR { throw failure("write") }
        }
    }

    /// Writes all of `bytes` at `position`.
    package func write(_ bytes: UnsafeRawBufferPointer, at position: Int64) throws {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = pwrite(descriptor, base + done, bytes.count - done, off_t(position) + off_t(done))
            if count > 0 {
                done += count
            } else if count == 0 || errno != EINTR {
                throw count == 0 ? FileError(path, "write", code: ENOSPC) : failure("write")
            }
        }
    }

    /// Reads up to `buffer.count` bytes at `position`; 0 at the end of the file.
    package func read(_ buffer: UnsafeMutableRawBufferPointer, at position: Int64) throws -> Int {
        try Files.read(descriptor, at: position, into: buffer, named: path)
    }

    /// Waits until the content is on the disk.
    package func synchronize() throws {
        // EINVAL and ENOTSUP: pipes and some network file systems have nothing to synchronise.
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else { throw failure("write") }
    }

    private func failure(_ operation: String) -> FileError { FileError(path, operation, code: errno) }
}
