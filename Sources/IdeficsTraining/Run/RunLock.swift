// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Keeps a second run out of a run folder; the system gives it back when the process ends, however it ends.
final class RunLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock of `folder`, which must exist.
    ///
    /// - Throws: `TrainingError.run` when another run has it.
    init(_ folder: URL) throws {
        descriptor = open(folder.appending(path: ".lock").path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw TrainingError.run(path: folder.path, reason: "cannot be written: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
            close(descriptor)
            throw TrainingError.run(path: folder.path, reason: "another run is writing there")
        }
        // A file system without locks gets none.
    }

    deinit {
        close(descriptor)
    }
}
