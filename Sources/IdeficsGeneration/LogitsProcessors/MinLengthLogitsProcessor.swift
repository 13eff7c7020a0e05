// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Excludes the end-of-sequence tokens while prompt and output together have fewer than `minLength` tokens.
public struct MinLengthLogitsProcessor: LogitsProcessor {
    private let minLength: Int
    private let eosTokenId: [Int]

    /// Creates the processor.
    public init(minLength: Int, eosTokenId: [Int]) {
        self.minLength = minLength
        self.eosTokenId = eosTokenId
    }

    /// Bans the end of a sequence that is still too short.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        guard context.tokenIds.count < minLength else { return }
        for tokenId in eosTokenId where scores.indices.contains(tokenId) {
            scores[tokenId] = -.infinity
        }
    }
}

/// Excludes the end-of-sequence tokens while fewer than `minNewTokens` tokens were generated.
public struct MinNewTokensLengthLogitsProcessor: LogitsProcessor {
    private let minNewTokens: Int
    private let eosTokenId: [Int]

    /// Creates the processor.
    public init(minNewTokens: Int, eosTokenId: [Int]) {
        self.minNewTokens = minNewTokens
        self.eosTokenId = eosTokenId
    }

    /// Bans the end of an output that is still too short.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        guard context.generatedLength < minNewTokens else { return }
        for tokenId in eosTokenId where scores.indices.contains(tokenId) {
            scores[tokenId] = -.infinity
        }
    }
}
