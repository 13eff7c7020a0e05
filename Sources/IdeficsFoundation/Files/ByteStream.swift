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

/// Bytes that are read once, from the first to the last: of a file, a pipe with a name (`<(…)`, `mkfifo`), `/dev/stdin`
/// or, called `-`, of standard input.
package final class ByteStream: Sendable {
    /// The path as it was given.
    package let path: String
    /// Bytes of a regular file; nil for pipes and devices, whose end is not known.
    package let byteCount: Int64?

    private let descriptor: Int32
    private let isOwned: Bool

    /// The path as messages show it.
    package var name: String { path == "-" ? "standard input" : printable(path) }

    /// Opens `path`.
    ///
    /// - Throws: `FileError`.
    package init(path: String) throws {
        self.path = path
        // The descriptor itself: opening /dev/stdin anew is refused for sockets, and starts files from their beginning.
        isOwned = path != "-" && path != "/dev/stdin"
        descriptor = isOwned ? try Files.open(path, "read", O_RDONLY) : STDIN_FILENO
        var status = stat()
        let code = fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT == S_IFDIR ? EISDIR : 0 : errno
        guard code == 0 else {
            if isOwned { close(descriptor) }
            throw FileError(path == "-" ? "standard input" : path, "read", code: code)
        }
        byteCount = status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : nil
    }

    /// Copies what is left of `stream` into a temporary file without a name, for those who read it more than once.
    ///
    /// - Throws: `FileError`; its operation is `copy` when it is the copy that cannot be written.
    package init(copyOf stream: ByteStream) throws {
        path = stream.path
        isOwned = true
        var template = "\(Self.temporaryFolder)/idefics-data-XXXXXX".withSystemPath {
            Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
        }
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw FileError(path, "copy", code: errno) }
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var total = 0
        do {
            while true {
                let bytes = try stream.read(upTo: 1 << 20)
                if bytes.isEmpty { break }
                let code = writeAll(bytes, to: descriptor)
                guard code == 0 else { throw FileError(path, "copy", code: code) }
                total += bytes.count
            }
        } catch {
            close(descriptor)
            throw error
        }
        byteCount = Int64(total)
    }

    /// Where temporary files go: `TMPDIR`, or `/tmp`.
    package static var temporaryFolder: String {
        let given = PathBytes.environment["TMPDIR"] ?? ""
        return given.isEmpty ? "/tmp" : given
    }

    deinit {
        if isOwned { close(descriptor) }
    }

    /// Whether it is a file of its own, in which every place can be read at any time.
    package var isSeekable: Bool { byteCount != nil && isOwned }

    /// A path at which what `isSeekable` can be opened anew, as long as this object lives: copies have no name of their own.
    package var reopeningPath: String { "/dev/fd/\(descriptor)" }

    /// The folder that relative paths in the text start at: the file's own; for pipes and standard input, which lie in
    /// none, the working directory.
    package var folder: URL {
        let isInFolder = isSeekable && !["/dev/fd/", "/dev/std", "/proc/"].contains(where: path.hasPrefix)
        return isInFolder
            ? URL(localPath: path).deletingLastPathComponent() : URL(localPath: ".", isDirectory: true)
    }

    /// The next bytes, as many as are there but at most `count`; none at the end.
    ///
    /// - Throws: `FileError`.
    package func read(upTo count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = try Files.read(descriptor, into: UnsafeMutableRawBufferPointer(buffer), named: name)
        }
    }

    /// `count` bytes from `offset` on, fewer where it ends; `isSeekable` must be true.
    ///
    /// - Throws: `FileError`.
    package func read(at offset: Int, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = try Files.read(
                descriptor,
                at: Int64(offset),
                into: UnsafeMutableRawBufferPointer(buffer),
                named: name
            )
        }
    }

    /// All bytes from here on.
    ///
    /// - Parameters:
    ///   - limit: the most there may be; what has no end is given up there.
    ///   - remedy: what to do when there are more.
    /// - Returns: the bytes.
    /// - Throws: `FileError`, also when there are more.
    package func readAll(limit: Int, remedy: String? = nil) throws -> Data {
        do {
            return try Files.read(descriptor, named: name, limit: limit)
        } catch let error as FileError where error.code == 0 && remedy != nil {
            throw FileError(name, "read", reason: "\(error.reason); \(remedy ?? "")")
        }
    }

    /// All bytes of the file, pipe or standard input at `path`.
    ///
    /// - Parameters:
    ///   - path: `-` for standard input.
    ///   - limit: the most there may be.
    /// - Returns: the bytes.
    /// - Throws: `FileError`, also when there are more.
    package static func readAll(_ path: String, limit: Int) throws -> Data {
        try ByteStream(path: path).readAll(limit: limit)
    }
}
