// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsNetwork

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif
#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#else
internal import Darwin
#endif

/// The file operations of the cache, with typed errors.
enum FileSystem {
    /// The error of the call that just failed.
    static func error(_ path: String, _ operation: String, code: Int32 = errno) -> HubError {
        .file(path: path, operation: operation, reason: String(cString: strerror(code)))
    }

    static func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            var status = stat()
            let exists = stat(path, &status) == 0
            let reason = exists ? "a file is in the way" : "no permission, or a file is in the way"
            throw HubError.file(path: path, operation: "make folder", reason: reason)
        }
    }

    /// The size of a regular file, symbolic links followed; nil if there is none.
    static func size(_ path: String) -> Int64? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int64(status.st_size)
    }

    /// The content of a small file; nil if there is none.
    static func read(_ path: String, limit: Int) throws -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw error(path, "open")
        }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = readBytes(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw error(path, "read") }
            if count == 0 { return content }
            content += buffer[..<count]
            guard content.count <= limit else {
                throw HubError.badFile(path: path, reason: "larger than \(limit) bytes")
            }
        }
    }

    /// Replaces a small file in one step.
    static func write(_ bytes: [UInt8], to path: String) throws {
        try makeFolder(parent(of: path))
        let temporary = temporaryName(for: path)
        do {
            let file = try FileWriter(path: temporary)
            try bytes.withUnsafeBytes { try file.write($0, at: 0) }
            try file.synchronize()
        } catch let error as NetworkError {
            unlink(temporary)
            throw HubError(error)
        }
        try rename(temporary, to: path)
    }

    static func rename(_ path: String, to target: String) throws {
        guard renameFile(path, target) == 0 else {
            let code = errno
            unlink(path)
            throw error(target, "put in place", code: code)
        }
    }

    static func remove(_ path: String) { unlink(path) }

    /// Makes `path` a symbolic link to `target`, replacing what is there in one step.
    static func link(_ path: String, to target: String) throws {
        try makeFolder(parent(of: path))
        if symlink(target, path) == 0 { return }
        guard errno == EEXIST else { throw error(path, "link") }
        if destination(of: path) == target { return }
        let temporary = temporaryName(for: path)
        guard symlink(target, temporary) == 0 else { throw error(temporary, "link") }
        try rename(temporary, to: path)
    }

    /// Where a symbolic link points; nil if it is none.
    static func destination(of path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            $0.withMemoryRebound(to: CChar.self) { chars in
                chars.baseAddress.map { readlink(path, $0, chars.count) } ?? -1
            }
        }
        return count >= 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    /// Paths of all regular files below `folder`, symbolic links to files included.
    static func files(below folder: String) -> [String] {
        guard let paths = try? FileManager.default.subpathsOfDirectory(atPath: folder) else { return [] }
        return paths.filter { size(folder + "/" + $0) != nil }.sorted()
    }

    /// Bytes free for us on the disk of `path`; nil if unknown.
    static func availableBytes(_ path: String) -> Int64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return overflow ? nil : Int64(clamping: bytes)
    }

    static func parent(of path: String) -> String {
        let folder = RepoPath.split(path).folder
        return folder.isEmpty ? "." : folder
    }

    private static func temporaryName(for path: String) -> String {
        let (folder, name) = RepoPath.split(path)
        return "\(folder).\(name.prefix(60)).\(String(UInt64.random(in: 0...(.max)), radix: 36)).tmp"
    }
}

/// `read` and `rename` of the C library, whose names the functions above hide.
private func readBytes(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}

private func renameFile(_ path: String, _ target: String) -> Int32 { rename(path, target) }

// MARK: - Locks

/// A lock between processes (and tasks) on a file, given up with the last reference or the process.
///
/// It is `flock`, as `huggingface_hub` uses through the package filelock, so both honour each other's locks.
final class FileLock: Sendable {
    private let descriptor: Int32
    /// False on file systems without locks: then nobody is kept out.
    let isExclusive: Bool

    private init(descriptor: Int32, isExclusive: Bool) {
        self.descriptor = descriptor
        self.isExclusive = isExclusive
    }

    deinit { close(descriptor) }

    /// Waits for the lock without blocking a thread.
    static func acquire(_ path: String) async throws -> FileLock {
        try FileSystem.makeFolder(FileSystem.parent(of: path))
        var pause = Duration.milliseconds(5)
        while true {
            if let lock = try tryAcquire(path) { return lock }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(200))
        }
    }

    private static func tryAcquire(_ path: String) throws -> FileLock? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileSystem.error(path, "open lock") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            if [ENOSYS, ENOTSUP, EOPNOTSUPP, ENOLCK].contains(code) {
                return FileLock(descriptor: descriptor, isExclusive: false)
            }
            close(descriptor)
            guard code == EWOULDBLOCK || code == EINTR else { throw FileSystem.error(path, "lock", code: code) }
            return nil
        }
        // The holder before us may have removed the file: then the lock is on a file nobody else will find.
        var mine = stat()
        var current = stat()
        guard fstat(descriptor, &mine) == 0, stat(path, &current) == 0,
            mine.st_ino == current.st_ino, mine.st_dev == current.st_dev
        else {
            close(descriptor)
            return nil
        }
        return FileLock(descriptor: descriptor, isExclusive: true)
    }
}
