// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Keeps the most typical tokens, those whose information is closest to the entropy, up to a probability of `mass`
/// (arXiv:2202.00666).
public struct TypicalLogitsWarper: LogitsProcessor {
    private let mass: Double
    private let minTokensToKeep: Int

    /// Creates the warper; at least `minTokensToKeep` tokens stay.
    public init(mass: Double, minTokensToKeep: Int = 1) {
        self.mass = mass
        self.minTokensToKeep = max(minTokensToKeep, 1)
    }

    /// Excludes every token less typical than the one at which the mass is reached.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        let row = UnsafeBufferPointer(scores)
        guard let logSum = ScoreRow.logSumExp(row) else { return }
        // Excluded tokens have no probability and stay excluded; only the others are ranked.
        var tokens: [(distance: Float, index: Int, probability: Double)] = []
        var entropy = 0.0
        for (index, score) in row.enumerated() where score > -.infinity {
            let logProbability = Double(score) - logSum
            let probability = ScalarMath.exp(logProbability)
            entropy -= logProbability * probability
            tokens.append((Float(-logProbability), index, probability))
        }
        for position in tokens.indices {
            // In single precision, so that equal scores stay equally typical.
            tokens[position].distance = abs(tokens[position].distance - Float(entropy))
        }
        tokens.sort { $0.distance < $1.distance || ($0.distance == $1.distance && $0.index < $1.index) }

        var last = 0
        var cumulative = 0.0
        for (rank, token) in tokens.enumerated() {
            cumulative += token.probability
            last = rank
            guard cumulative < mass else { break }
        }
        guard tokens.indices.contains(last) else { return }
        let threshold = tokens[last].distance
        for (rank, token) in tokens.enumerated() where rank >= minTokensToKeep && token.distance > threshold {
            scores[token.index] = -.infinity
        }
    }
}
