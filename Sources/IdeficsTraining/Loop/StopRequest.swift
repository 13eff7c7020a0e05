// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A wish that a run ends after the step it is at, from a signal or another task.
public final class StopRequest: Sendable {
    private let flag = Atomic<Bool>(false)

    /// No wish yet.
    public init() {}

    /// Makes the wish.
    public func stop() { flag.store(true, ordering: .relaxed) }

    /// Whether it was made.
    public var isStopping: Bool { flag.load(ordering: .relaxed) }
}
