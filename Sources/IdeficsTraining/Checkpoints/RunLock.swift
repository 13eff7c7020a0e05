// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// Keeps a second run out of a run folder; the system gives it back when the process ends, however it ends.
final class RunLock: Sendable {
    /// A file system without locks gives one that keeps nobody out.
    private let lock: FileLock

    /// Where the lock of `folder` is.
    static func url(in folder: URL) -> URL { folder.appending(path: ".lock") }

    /// Takes the lock of `folder`, which must exist.
    ///
    /// - Throws: `TrainingError.run` when another run has it.
    init(_ folder: URL) throws {
        do {
            guard let lock = try FileLock.tryAcquire(Self.url(in: folder).path) else {
                throw TrainingError.run(path: folder.path, reason: "another run is writing there")
            }
            self.lock = lock
        } catch let error as FileError {
            throw TrainingError.run(path: folder.path, reason: "cannot be written: \(error.reason)")
        }
    }
}
