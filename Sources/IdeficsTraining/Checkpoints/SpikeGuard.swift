// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Decides whether a step's gradient is used (spikes of the loss are what the runs of the released models were rolled back for: M4, `memos/README.md`).
package struct SpikeGuard: Sendable, Equatable, Codable {
    /// Running mean of gradient norms.
    private(set) var meanNorm = 0.0
    /// Norms in the mean.
    private(set) var count = 0
    /// Steps left out since the last one that was not.
    package var skippedInARow = 0
    /// Steps left out.
    package private(set) var skipped = 0

    /// One that has seen nothing yet.
    package init() {}

    /// Steps before which the mean says nothing.
    private static let warmUp = 20

    /// Why a step is left out; nil when it is good, which then counts for the mean.
    ///
    /// - Parameters:
    ///   - loss: of the step.
    ///   - norm: of its gradient, before clipping.
    ///   - factor: how many times the mean the norm may be; 0 for any.
    /// - Returns: the reason.
    package mutating func reason(loss: Double, norm: Double, factor: Double) -> String? {
        var reason: String?
        if !loss.isFinite {
            reason = "the loss is \(loss)"
        } else if !norm.isFinite {
            reason = "the norm of the gradient is \(norm)"
        } else if factor > 0, count >= Self.warmUp, norm > factor * meanNorm {
            reason = "the norm of the gradient, \(norm), is more than \(factor) times the mean, \(meanNorm)"
        }
        if reason != nil {
            skip()
        } else {
            skippedInARow = 0
            count += 1
            // A plain mean at first, then one over about the last 100 steps.
            meanNorm += (norm - meanNorm) / Double(min(count, 100))
        }
        return reason
    }

    /// Counts a step that is left out.
    package mutating func skip() {
        skippedInARow += 1
        skipped += 1
    }
}
