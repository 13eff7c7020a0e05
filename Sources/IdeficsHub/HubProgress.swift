// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// How far a download is.
public struct HubProgress: Sendable, Equatable {
    /// What is happening to the file.
    public enum Phase: String, Sendable {
        /// Bytes arrive.
        case downloading
        /// The digest is being checked.
        case verifying
        /// The file is in the cache.
        case finished
    }

    /// The file this is about.
    public var file: String
    /// What is happening to it.
    public var phase: Phase
    /// Its bytes on disk.
    public var fileCompletedBytes: Int64
    /// Its size, if known.
    public var fileTotalBytes: Int64?
    /// Bytes on disk of all files asked for.
    public var completedBytes: Int64
    /// Size of all files asked for, as far as known.
    public var totalBytes: Int64
    /// Number of files in the cache.
    public var completedFiles: Int
    /// Number of files asked for.
    public var totalFiles: Int
    /// What the user should know, once: that the cache is used because the hub cannot be reached.
    public var notice: String?
}

/// Adds up the progress of files downloaded at the same time.
final class ProgressTracker: Sendable {
    private struct State {
        var sizes: [String: Int64?] = [:]
        var done: [String: Int64] = [:]
        var finished: Set<String> = []
        var doneBytes: Int64 = 0
        var totalBytes: Int64 = 0
    }

    private let state = Locked(State())
    private let handler: @Sendable (HubProgress) -> Void

    init(_ handler: @escaping @Sendable (HubProgress) -> Void) { self.handler = handler }

    /// Says something to the user.
    func notify(_ notice: String) {
        state.withLock { state in
            handler(progress(state, file: "", .finished, notice: notice))
        }
    }

    private func progress(
        _ state: State,
        file: String,
        _ phase: HubProgress.Phase,
        notice: String? = nil
    ) -> HubProgress {
        HubProgress(
            file: file,
            phase: phase,
            fileCompletedBytes: state.done[file] ?? 0,
            fileTotalBytes: state.sizes[file] ?? nil,
            completedBytes: state.doneBytes,
            totalBytes: state.totalBytes,
            completedFiles: state.finished.count,
            totalFiles: state.sizes.count,
            notice: notice
        )
    }

    /// Adds a file; again to give its size.
    func add(_ file: String, size: Int64?) {
        state.withLock {
            // Wrapping: a hostile listing's sizes may add up to anything; the check of disk space refuses them.
            $0.totalBytes &+= (size ?? 0) &- (($0.sizes[file] ?? nil) ?? 0)
            $0.sizes[file] = .some(size)
        }
    }

    /// Reports the bytes of a file on disk.
    func report(_ file: String, _ phase: HubProgress.Phase, completed: Int64) {
        // The handler runs inside the lock so that reports come one at a time and in order.
        state.withLock { state in
            state.doneBytes += completed - (state.done[file] ?? 0)
            state.done[file] = completed
            if phase == .finished { state.finished.insert(file) }
            handler(progress(state, file: file, phase))
        }
    }
}
