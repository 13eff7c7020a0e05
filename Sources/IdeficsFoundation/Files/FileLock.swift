// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A lock between processes (and tasks) on a file, given up with the last reference or the process.
///
/// It is `flock`, as `huggingface_hub` uses through the package filelock, so both honour each other's locks. The file
/// stays when the lock is given up, unless `remove` is called.
package final class FileLock: Sendable {
    private let path: String
    private let descriptor: Int32
    /// False on file systems without locks: then nobody is kept out.
    package let isExclusive: Bool

    private init(path: String, descriptor: Int32, isExclusive: Bool) {
        self.path = path
        self.descriptor = descriptor
        self.isExclusive = isExclusive
    }

    deinit { close(descriptor) }

    /// Waits for the lock without blocking a thread; folders above it are made.
    ///
    /// - Parameters:
    ///   - path: the lock's file, made if it is not there.
    ///   - onWait: called once if another process has it.
    /// - Returns: the lock.
    /// - Throws: `FileError`, or `CancellationError`.
    package static func acquire(_ path: String, onWait: () -> Void = {}) async throws -> FileLock {
        try Files.makeFolder(Files.split(path).folder)
        var pause = Duration.milliseconds(5)
        var isFirst = true
        while true {
            if let lock = try tryAcquire(path) { return lock }
            if isFirst { onWait() }
            isFirst = false
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(200))
        }
    }

    /// Waits for the lock, blocking the thread; the folder must be there.
    ///
    /// - Parameters:
    ///   - path: the lock's file, made if it is not there.
    ///   - onWait: called once if another process has it.
    /// - Returns: the lock.
    /// - Throws: `FileError`.
    package static func wait(for path: String, onWait: () -> Void) throws -> FileLock {
        var isFirst = true
        while true {
            if let lock = try tryAcquire(path) { return lock }
            if isFirst { onWait() }
            isFirst = false
            usleep(50_000)
        }
    }

    /// Takes the lock if it is free.
    ///
    /// - Parameters:
    ///   - path: the lock's file.
    ///   - makes: whether it is made if it is not there.
    /// - Returns: the lock; nil while another has it.
    /// - Throws: `FileError`.
    package static func tryAcquire(_ path: String, makes: Bool = true) throws -> FileLock? {
        let descriptor: Int32
        do {
            descriptor = try Files.open(path, "lock", O_RDWR | O_NOFOLLOW | (makes ? O_CREAT : 0))
        } catch let error as FileError where error.isReadOnly {
            // Another user's lock in a shared folder: it can be held without being written to.
            guard let readOnly = try? Files.open(path, "lock", O_RDONLY | O_NOFOLLOW) else { throw error }
            descriptor = readOnly
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            if [ENOSYS, ENOTSUP, EOPNOTSUPP, ENOLCK, EINVAL, EBADF].contains(code) {
                return FileLock(path: path, descriptor: descriptor, isExclusive: false)
            }
            close(descriptor)
            guard code == EWOULDBLOCK || code == EINTR else { throw FileError(path, "lock", code: code) }
            return nil
        }
        // The holder before us may have removed the file: then the lock is on a file nobody else will find.
        var mine = stat()
        guard fstat(descriptor, &mine) == 0, let current = Files.status(path), mine.st_ino == current.st_ino,
            mine.st_dev == current.st_dev
        else {
            close(descriptor)
            return nil
        }
        return FileLock(path: path, descriptor: descriptor, isExclusive: true)
    }

    /// Removes the lock's file, while the lock is held: who waits for it makes another.
    package func remove() { Files.remove(path) }
}
