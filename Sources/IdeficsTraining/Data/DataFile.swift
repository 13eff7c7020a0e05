// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The bytes of a data file, read where they are asked for: a file of any size costs no memory.
///
/// It is not mapped, so that a file cut short while a run goes on is an error and not the end of the process. Data is read
/// more than once: what can be read only once (a pipe, standard input) is copied to a temporary file without a name first.
final class DataFile: Sendable {
    /// The path as it was given.
    let path: String
    /// Where relative paths in the data begin: the file's folder; the working directory for what lies in none.
    let folder: URL
    /// Bytes when it was opened.
    let byteCount: Int

    private let descriptor: Int32

    /// Opens the file at `path`; `-` is standard input.
    ///
    /// - Throws: `TrainingError.file`.
    init(path: String) throws {
        self.path = path
        // The descriptor itself: opening /dev/stdin anew is refused for sockets, and starts files from their beginning.
        let isInput = path == "-" || path == "/dev/stdin"
        let opened =
            isInput ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : path.withSystemPath { open($0, O_RDONLY | O_CLOEXEC) }
        guard opened >= 0 else { throw Self.unreadable(path) }
        var status = stat()
        let code = fstat(opened, &status) == 0 ? status.st_mode & S_IFMT == S_IFDIR ? EISDIR : 0 : errno
        guard code == 0 else {
            close(opened)
            throw Self.unreadable(path, code)
        }
        if !isInput, status.st_mode & S_IFMT == S_IFREG {
            descriptor = opened
            byteCount = Int(status.st_size)
            folder = URL(localPath: path).deletingLastPathComponent()
        } else {
            defer { close(opened) }
            (descriptor, byteCount) = try Self.copy(opened, path)
            folder = URL(localPath: ".", isDirectory: true)
        }
    }

    deinit {
        close(descriptor)
    }

    /// The bytes `range`, which must lie within the file as it was opened.
    ///
    /// - Throws: `TrainingError.file` when they cannot be read (any more).
    func read(_ range: Range<Int>) throws -> [UInt8] {
        var problem: TrainingError?
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, initialized in
            while initialized < range.count, let start = buffer.baseAddress {
                let offset = off_t(range.lowerBound + initialized)
                let count = pread(descriptor, start + initialized, range.count - initialized, offset)
                if count < 0, errno == EINTR { continue }
                if count > 0 {
                    initialized += count
                    continue
                }
                problem =
                    count < 0
                    ? Self.unreadable(path)
                    : .file(path: path, reason: "was cut short while it was used: it had \(byteCount) bytes")
                return
            }
        }
        if let problem { throw problem }
        return bytes
    }

    /// A copy of what can be read from `source`, in a file without a name.
    private static func copy(_ source: Int32, _ path: String) throws -> (descriptor: Int32, byteCount: Int) {
        let given = PathBytes.environment["TMPDIR"] ?? ""
        let folder = given.isEmpty ? "/tmp" : given
        func problem() -> TrainingError {
            .file(path: path, reason: "cannot be copied to \(folder), which data from a pipe needs: \(message(errno))")
        }
        var template = "\(folder)/idefics-data-XXXXXX".withSystemPath {
            Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
        }
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw problem() }
        unlink(template)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var total = 0
        do {
            while true {
                let count = systemRead(source, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw unreadable(path) }
                if count == 0 { return (descriptor, total) }
                errno = writeAll(buffer[..<count], to: descriptor)
                guard errno == 0 else { throw problem() }
                total += count
            }
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func unreadable(_ path: String, _ code: Int32 = errno) -> TrainingError {
        .file(path: path, reason: "cannot be read: \(message(code))")
    }

    /// The system's words for an error.
    private static func message(_ code: Int32) -> String {
        String(cString: strerror(code))
    }
}

/// `read` of the system, which methods of this name hide.
private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}
