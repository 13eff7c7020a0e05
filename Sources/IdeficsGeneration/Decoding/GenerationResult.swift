// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Why a sequence ended.
public enum StopReason: Sendable, Equatable {
    /// The model produced this end-of-sequence token.
    case stop(eosTokenId: Int)
    /// The text contains this stop string.
    case stopString(String)
    /// The length limit was reached.
    case length
    /// The time limit was reached.
    case maxTime
    /// The caller cancelled.
    case cancelled
}

/// One generated sequence.
public struct GenerationResult: Sendable, Equatable {
    /// Which request it answers.
    public let promptIndex: Int
    /// Which of the request's returned sequences it is; beams are in order of their score.
    public let returnIndex: Int
    /// The generated tokens, with the end-of-sequence token and without the prompt or padding.
    public let tokenIds: [Int]
    /// Beam search: the sum of log-probabilities divided by length^`length_penalty`.
    public let score: Float?
    /// Why it ended.
    public let stopReason: StopReason

    /// Creates a result.
    public init(promptIndex: Int, returnIndex: Int, tokenIds: [Int], score: Float?, stopReason: StopReason) {
        self.promptIndex = promptIndex
        self.returnIndex = returnIndex
        self.tokenIds = tokenIds
        self.score = score
        self.stopReason = stopReason
    }
}

extension [GenerationResult] {
    /// The token ids as rows of equal length, short ones filled up on the right (see ``GenerationConfig/fillTokenId``).
    public func paddedTokenIds(fillTokenId: Int) -> [[Int]] {
        let length = map(\.tokenIds.count).max() ?? 0
        return map { $0.tokenIds + [Int](repeating: fillTokenId, count: length - $0.tokenIds.count) }
    }
}

/// One token as it is generated.
public struct GeneratedToken: Sendable, Equatable {
    /// Which request it belongs to.
    public let promptIndex: Int
    /// Which of the request's returned sequences it continues.
    public let returnIndex: Int
    /// The token.
    public let tokenId: Int
    /// Its log-probability under the model, before any processor; nil unless the request asked for it.
    public let logProb: Float?
}

/// What a step of generation brings.
public enum GenerationEvent: Sendable, Equatable {
    /// A sequence got one more token. Beam search has none: its sequences are known only at the end.
    case token(GeneratedToken)
    /// A sequence is complete.
    case finished(GenerationResult)
}
