// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// How long the rest of a run takes, told by what its steps have taken so far.
///
/// The first step of a process is left out: it reads the weights from the disk, makes its first batch with nothing
/// beside it, and has memory to find. What is done between steps (evaluation, checkpoints) counts, for it comes again.
package struct TimeLeft {
    private var start: ContinuousClock.Instant?
    private var steps = 0

    /// Steps that are timed before anything is said.
    private static let least = 2

    /// Nothing is known yet.
    package init() {}

    /// Notes the end of a step.
    ///
    /// - Parameter now: when it ended.
    package mutating func add(now: ContinuousClock.Instant = .now) {
        if start == nil { start = now } else { steps += 1 }
    }

    /// Seconds that `left` more steps take; nil while that cannot be told.
    ///
    /// - Parameters:
    ///   - left: the steps to come.
    ///   - now: the time.
    /// - Returns: the seconds.
    package func seconds(for left: Int, now: ContinuousClock.Instant = .now) -> Double? {
        guard let start, steps >= Self.least else { return left == 0 ? 0 : nil }
        return (now - start) / .seconds(1) / Double(steps) * Double(left)
    }
}
