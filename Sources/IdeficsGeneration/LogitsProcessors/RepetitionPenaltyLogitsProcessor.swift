// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Makes tokens that already occurred less likely: divides positive scores, multiplies negative ones (arXiv:1909.05858).
public struct RepetitionPenaltyLogitsProcessor: LogitsProcessor {
    private let penalty: Float

    /// Creates the processor; a penalty above 1 discourages repetition.
    public init(penalty: Double) {
        self.penalty = Float(penalty)
    }

    /// Applies the penalty once to each token of prompt and output.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        // All results before the first store, so that a token that occurs twice is still penalised once.
        let penalised = context.tokenIds.map { tokenId -> Float in
            guard scores.indices.contains(tokenId) else { return 0 }
            let score = scores[tokenId]
            return score < 0 ? score * penalty : score / penalty
        }
        for (tokenId, score) in zip(context.tokenIds, penalised) where scores.indices.contains(tokenId) {
            scores[tokenId] = score
        }
    }
}
