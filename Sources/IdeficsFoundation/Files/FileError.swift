// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A file operation that failed: which one, on what, and why.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file or folder.
    public let path: String
    /// What was tried: `read`, `write`, `make folder` and so on.
    public let operation: String
    /// The system's words, or those of a check made here.
    public let reason: String
    /// The system's number for it; 0 if a check made here failed.
    package let code: Int32

    /// A check that failed.
    package init(_ path: String, _ operation: String, reason: String) {
        (self.path, self.operation, self.reason, code) = (path, operation, reason, 0)
    }

    /// A system call that failed with `code`.
    package init(_ path: String, _ operation: String, code: Int32) {
        self.path = path
        self.operation = operation
        self.code = code
        reason = String(cString: strerror(code))
    }

    /// Whether this user, or this file system, does not let anything be written there.
    package var isReadOnly: Bool { [EACCES, EPERM, EROFS].contains(code) }

    /// Whether nothing is there.
    package var isMissing: Bool { [ENOENT, ENOTDIR].contains(code) }

    /// For people: what, where and why.
    public var description: String { "cannot \(operation) \(printable(path)): \(printable(reason))" }
}
