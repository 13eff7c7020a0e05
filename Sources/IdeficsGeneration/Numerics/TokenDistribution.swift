// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// The probabilities of one row of scores (its softmax), ready to be drawn from.
///
/// Cumulative weights are kept in double precision and in the order of the token ids, so a draw is a function of the
/// scores and one random number only.
struct TokenDistribution {
    private var tokenIds: [Int32] = []
    private var cumulative: [Double] = []

    /// Prepares the distribution; nil when no token has a finite score.
    init?(scores: UnsafeBufferPointer<Float>) {
        let largest = ScoreRow.maximum(scores)
        guard largest.isFinite else { return nil }
        var total = 0.0
        ScoreRow.forEachWeight(scores, largest: largest) { tokenId, weight in
            total += Double(weight)
            tokenIds.append(Int32(truncatingIfNeeded: tokenId))
            cumulative.append(total)
        }
    }

    /// Draws one token id.
    func sample(using random: inout RandomStream) -> Int {
        let target = random.uniform() * (cumulative.last ?? 0)
        // First entry whose cumulative weight is above the target.
        var low = 0
        var high = cumulative.count - 1
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > target {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return Int(tokenIds[low])
    }
}
