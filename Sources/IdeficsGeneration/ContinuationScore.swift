// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// How likely a model finds a given continuation.
public struct ContinuationScore: Sendable, Equatable {
    /// The log-probability of each token.
    public let logProbs: [Float]
    /// Their sum.
    public let sum: Double
    /// Whether greedy search would have produced exactly these tokens.
    public let isGreedy: Bool

    /// Scores a continuation.
    ///
    /// - Parameters:
    ///   - tokenIds: The continuation's tokens.
    ///   - logits: The logits that predict them, row-major `[tokenIds.count, vocabSize]`: row 0 is the prompt's last
    ///     position, row i the position of token i − 1.
    ///   - vocabSize: Columns of the logits.
    /// - Throws: ``GenerationError`` if the sizes do not fit, a token is not in the vocabulary, or logits are NaN.
    public init(tokenIds: [Int], logits: [Float], vocabSize: Int) throws {
        let (expected, overflow) = tokenIds.count.multipliedReportingOverflow(by: vocabSize)
        guard vocabSize > 0, !overflow, logits.count == expected else {
            throw GenerationError.logitsCount(expected: expected, found: logits.count)
        }
        var logProbs: [Float] = []
        var sum = 0.0
        var isGreedy = true
        // SAFETY: each row lies inside the buffer (its size was checked), and no pointer leaves the closure.
        try logits.withUnsafeBufferPointer { buffer in
            for (position, tokenId) in tokenIds.enumerated() {
                let row = UnsafeBufferPointer(rebasing: buffer[position * vocabSize..<(position + 1) * vocabSize])
                guard row.indices.contains(tokenId) else {
                    throw GenerationError.tokenIdOutOfVocabulary(
                        option: "continuation",
                        tokenId: tokenId,
                        vocabSize: vocabSize
                    )
                }
                guard !row[tokenId].isNaN, let logSum = ScoreRow.logSumExp(row) else {
                    throw GenerationError.noCandidateToken(prompt: 0, position: position)
                }
                let logProb = Double(row[tokenId]) - logSum
                logProbs.append(Float(logProb))
                sum += logProb
                isGreedy = isGreedy && ScoreRow.argmax(row) == tokenId
            }
        }
        self.logProbs = logProbs
        self.sum = sum
        self.isGreedy = isGreedy
    }

    /// The score of a continuation whose parts, in order, were scored by themselves.
    package init(joining parts: [ContinuationScore]) {
        logProbs = parts.flatMap(\.logProbs)
        sum = parts.reduce(0) { $0 + $1.sum }
        isGreedy = parts.allSatisfy(\.isGreedy)
    }
}
