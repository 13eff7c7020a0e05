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
        // −Σ p·log p; excluded tokens have no probability, stay excluded and are not ranked.
        var expectation = 0.0
        ScoreRow.forEachWeight(row, largest: ScoreRow.maximum(row)) { index, weight in
            expectation += Double(weight) * Double(row[index])
        }
        let largest = Double(ScoreRow.maximum(row))
        let entropy = Float(logSum - expectation / ScalarMath.exp(logSum - largest))

        // In single precision, so that equal scores are equally typical.
        var distances = row.map { $0 > -.infinity ? -abs(Float(logSum - Double($0)) - entropy) : -.infinity }
        let ranked = distances.withUnsafeBufferPointer { ScoreRow.ranked($0, above: -.infinity) }
        var kept = 0
        var cumulative = 0.0
        while kept < ranked.count, kept == 0 || cumulative < mass {
            cumulative += ScalarMath.exp(Double(row[ranked[kept]]) - logSum)
            kept += 1
        }
        guard kept > 0 else { return }
        let threshold = distances[ranked[kept - 1]]
        for index in ranked.prefix(minTokensToKeep) {
            distances[index] = 0
        }
        for (index, distance) in distances.enumerated() where distance < threshold {
            scores[index] = -.infinity
        }
    }
}
