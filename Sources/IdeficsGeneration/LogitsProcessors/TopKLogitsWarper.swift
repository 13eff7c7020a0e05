// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Keeps the `topK` highest scores, and every score equal to the lowest of them.
public struct TopKLogitsWarper: LogitsProcessor {
    private let topK: Int

    /// Creates the warper; at least `minTokensToKeep` scores stay.
    public init(topK: Int, minTokensToKeep: Int = 1) {
        self.topK = max(topK, minTokensToKeep, 1)
    }

    /// Excludes every token below the k-th highest score.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        guard topK < scores.count else { return }
        var top = TopCandidates(capacity: topK)
        top.insert(row: UnsafeBufferPointer(scores))
        guard let worst = top.worst else { return }
        let threshold = Float(worst.score)
        for index in scores.indices where scores[index] < threshold {
            scores[index] = -.infinity
        }
    }
}
