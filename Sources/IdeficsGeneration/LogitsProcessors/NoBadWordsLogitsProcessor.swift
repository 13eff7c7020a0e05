// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Excludes tokens that would complete one of a list of token sequences.
///
/// A single-token word that is an end-of-sequence token is skipped, as in transformers: ending stays possible.
public struct NoBadWordsLogitsProcessor: LogitsProcessor {
    private let singleTokenIds: [Int]
    private let sequences: [[Int]]

    /// Creates the processor.
    public init(badWordsIds: [[Int]], eosTokenId: [Int] = []) {
        singleTokenIds = badWordsIds.filter { $0.count == 1 && !eosTokenId.contains($0[0]) }.map { $0[0] }
        sequences = badWordsIds.filter { $0.count > 1 }
    }

    /// Bans the single tokens, and the last token of each sequence whose beginning ends the context.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        for tokenId in singleTokenIds where scores.indices.contains(tokenId) {
            scores[tokenId] = -.infinity
        }
        for sequence in sequences {
            let last = sequence[sequence.count - 1]
            let prefix = sequence.dropLast()
            guard scores.indices.contains(last), context.tokenIds.count >= prefix.count else { continue }
            if context.tokenIds.suffix(prefix.count).elementsEqual(prefix) {
                scores[last] = -.infinity
            }
        }
    }
}
