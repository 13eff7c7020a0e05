// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Keeps tokens with at least `minP` times the probability of the likeliest one (arXiv:2407.01082).
public struct MinPLogitsWarper: LogitsProcessor {
    private let minP: Double
    private let minTokensToKeep: Int

    /// Creates the warper; at least `minTokensToKeep` tokens stay.
    public init(minP: Double, minTokensToKeep: Int = 1) {
        self.minP = minP
        self.minTokensToKeep = max(minTokensToKeep, 1)
    }

    /// Excludes every token too far below the highest score.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        let row = UnsafeBufferPointer(scores)
        // p < minP · p_max is a bound on the difference of scores, so no exponential is needed.
        let floor = ScoreRow.maximum(row) + Float(ScalarMath.log(minP))
        var top = TopCandidates(capacity: min(minTokensToKeep, row.count))
        top.insert(row: row)
        guard let lastKept = top.worst else { return }
        for (index, score) in row.enumerated() where score < floor {
            // Worse than the worst token that must stay.
            if Double(score) < lastKept.score || (Double(score) == lastKept.score && index > lastKept.index) {
                scores[index] = -.infinity
            }
        }
    }
}
