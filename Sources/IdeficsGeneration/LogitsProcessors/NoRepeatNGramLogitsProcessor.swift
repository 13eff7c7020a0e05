// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Excludes every token that would complete a run of `ngramSize` tokens that already occurred.
public struct NoRepeatNGramLogitsProcessor: LogitsProcessor {
    private let ngramSize: Int

    /// Creates the processor for runs of `ngramSize` ≥ 1 tokens.
    public init(ngramSize: Int) {
        self.ngramSize = ngramSize
    }

    /// Bans the successor of each earlier occurrence of the last `ngramSize − 1` tokens.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        let tokenIds = context.tokenIds
        guard ngramSize >= 1, tokenIds.count >= ngramSize else { return }
        let prefixLength = ngramSize - 1
        let suffix = tokenIds.count - prefixLength
        for start in 0..<suffix {
            let successor = tokenIds[start + prefixLength]
            var matches = true
            for offset in 0..<prefixLength where tokenIds[start + offset] != tokenIds[suffix + offset] {
                matches = false
                break
            }
            if matches, scores.indices.contains(successor) {
                scores[successor] = -.infinity
            }
        }
    }
}
