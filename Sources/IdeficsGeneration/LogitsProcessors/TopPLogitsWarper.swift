// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Keeps the smallest set of most likely tokens whose probabilities reach `topP` (arXiv:1904.09751).
public struct TopPLogitsWarper: LogitsProcessor {
    private let topP: Double
    private let minTokensToKeep: Int

    /// Creates the warper; at least `minTokensToKeep` tokens stay.
    public init(topP: Double, minTokensToKeep: Int = 1) {
        self.topP = topP
        self.minTokensToKeep = max(minTokensToKeep, 1)
    }

    /// Excludes each token whose more likely ones have a probability of `topP` already.
    ///
    /// Of equal scores the lower index counts as more likely (torch's sort leaves it open).
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        let row = UnsafeBufferPointer(scores)
        guard let logSum = ScoreRow.logSumExp(row) else { return }
        // Tokens this unlikely are excluded whatever their order: all of them together have less than 1 − topP.
        // Sorting only the others makes the cost follow the distribution instead of the vocabulary.
        let floor = Float(logSum + ScalarMath.log((1 - topP) / Double(row.count)) - 1e-3)
        var ranked = ScoreRow.ranked(row, above: floor)
        if ranked.count < minTokensToKeep {
            ranked = ScoreRow.ranked(row, above: -.infinity)
        }

        var kept = 0
        var cumulative = 0.0
        while kept < ranked.count, kept < minTokensToKeep || cumulative < topP {
            cumulative += ScalarMath.exp(Double(row[ranked[kept]]) - logSum)
            kept += 1
        }
        guard kept > 0 else { return }
        let last = ranked[kept - 1]
        let lowest = row[last]
        for (index, score) in row.enumerated() where !(score > lowest) {
            if score < lowest || index > last {
                scores[index] = -.infinity
            }
        }
    }
}
