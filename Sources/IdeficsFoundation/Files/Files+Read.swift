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

extension Files {
    /// The bytes of a file: a regular one, a pipe, `/dev/stdin`, or what else can be read to its end.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - limit: a file of more bytes is refused, wherever it ends.
    /// - Returns: its content.
    /// - Throws: `FileError`.
    package static func read(_ path: String, limit: Int) throws -> Data {
        let descriptor = try openForReading(path)
        defer { close(descriptor) }
        return try read(descriptor, named: path, limit: limit)
    }

    /// The bytes of a regular file; see the function of this name that takes a URL.
    static func readRegular(_ path: String, limit: Int) throws -> Data {
        let descriptor: Int32
        do {
            // A pipe without a writer must not block.
            descriptor = try open(path, "read", O_RDONLY | O_NONBLOCK)
        } catch let error as FileError where error.isMissing && destination(ofLink: path) != nil {
            throw FileError(path, "read", reason: "it is a symbolic link that leads nowhere")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw FileError(path, "read", reason: "not a regular file")
        }
        return try read(descriptor, named: path, limit: limit)
    }

    /// The bytes of a file; nil if nothing is there.
    ///
    /// - Throws: `FileError`.
    package static func readIfPresent(_ path: String, limit: Int) throws -> Data? {
        do {
            return try read(path, limit: limit)
        } catch let error as FileError where error.isMissing {
            return nil
        }
    }

    /// The rest of the bytes of an open file.
    ///
    /// - Parameters:
    ///   - descriptor: the open file; 0 for standard input.
    ///   - name: what messages call it.
    ///   - limit: more bytes are refused.
    /// - Returns: the bytes.
    /// - Throws: `FileError`.
    package static func read(_ descriptor: Int32, named name: String, limit: Int) throws -> Data {
        var status = stat()
        let expected = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : 0
        guard expected <= limit else { throw tooLarge(name, limit) }
        var content = Data(capacity: expected)
        // One byte more than a regular file has tells its end in the same read.
        var buffer = [UInt8](repeating: 0, count: min(max(expected + 1, 1 << 16), 4 << 20))
        while true {
            let count = try buffer.withUnsafeMutableBytes { try read(descriptor, into: $0, named: name) }
            if count == 0 { return content }
            guard count <= limit - content.count else { throw tooLarge(name, limit) }
            content.append(contentsOf: buffer[..<count])
        }
    }

    /// Copies a file, whatever its size; the copy appears whole.
    ///
    /// - Throws: `FileError`.
    package static func copy(_ path: String, to target: String) throws {
        let descriptor = try openForReading(path)
        defer { close(descriptor) }
        let copy = try AtomicFile(path: target)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 16)
        defer { buffer.deallocate() }
        var position = 0
        while true {
            let count = try read(descriptor, into: buffer, named: path)
            if count == 0 { break }
            try copy.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: position)
            position += count
        }
        try copy.commit()
    }

    private static func openForReading(_ path: String) throws -> Int32 {
        do {
            return try open(path, "read", O_RDONLY)
        } catch let error as FileError where [ENXIO, EACCES].contains(error.code) && path == "/dev/stdin" {
            // A socket, or another user's terminal, is open already and cannot be opened again.
            let copy = fcntl(0, F_DUPFD_CLOEXEC, 3)
            guard copy >= 0 else { throw error }
            return copy
        }
    }

    private static func tooLarge(_ name: String, _ limit: Int) -> FileError {
        FileError(name, "read", reason: "larger than \(limit) bytes")
    }
}

// MARK: - Open files

extension Files {
    /// The next bytes of an open file, pipe or terminal: what is there, but at most `buffer.count`; 0 at its end.
    ///
    /// - Parameters:
    ///   - descriptor: what is read.
    ///   - buffer: where the bytes go.
    ///   - name: what messages call it.
    /// - Returns: how many bytes there were.
    /// - Throws: `FileError`.
    package static func read(
        _ descriptor: Int32,
        into buffer: UnsafeMutableRawBufferPointer,
        named name: String
    ) throws -> Int {
        while true {
            let count = readBytes(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw FileError(name, "read", code: errno) }
        }
    }

    /// The bytes of an open file from `offset` on: fewer than `buffer.count` only where it ends.
    ///
    /// - Parameters:
    ///   - descriptor: a file, whose position stays.
    ///   - offset: where the bytes begin.
    ///   - buffer: where the bytes go.
    ///   - name: what messages call it.
    /// - Returns: how many bytes there were.
    /// - Throws: `FileError`.
    package static func read(
        _ descriptor: Int32,
        at offset: Int64,
        into buffer: UnsafeMutableRawBufferPointer,
        named name: String
    ) throws -> Int {
        var done = 0
        while done < buffer.count, let base = buffer.baseAddress {
            let count = pread(descriptor, base + done, buffer.count - done, off_t(offset) + off_t(done))
            if count == 0 { break }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw FileError(name, "read", code: errno)
            }
        }
        return done
    }
}

/// `read` of the system, which methods of this name hide.
private func readBytes(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}
