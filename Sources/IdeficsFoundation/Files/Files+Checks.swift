// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension Files {
    /// Whether a pipe with a name is there, symbolic links followed: opening it waits for somebody who writes.
    package static func isPipe(_ path: String) -> Bool {
        status(path).map { $0.st_mode & S_IFMT == S_IFIFO } ?? false
    }

    /// Refuses a name that is longer than its file system takes, before anything is made that is to be called so.
    ///
    /// - Throws: `FileError`.
    package static func checkLength(_ path: String) throws {
        var status = stat()
        do {
            try call(path, "write") { lstat($0, &status) }
        } catch let error as FileError where error.code == ENAMETOOLONG {
            throw error
        } catch {}
    }
}
