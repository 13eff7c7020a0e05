// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Excludes tokens, those that end the sequence as well as others.
public struct SuppressTokensLogitsProcessor: LogitsProcessor {
    private let suppressTokens: [Int]

    /// Creates the processor.
    public init(suppressTokens: [Int]) {
        self.suppressTokens = suppressTokens
    }

    /// Bans the tokens.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        for tokenId in suppressTokens where scores.indices.contains(tokenId) {
            scores[tokenId] = -.infinity
        }
    }
}

/// Excludes tokens from the first place after the prompt.
public struct SuppressTokensAtBeginLogitsProcessor: LogitsProcessor {
    private let begin: SuppressTokensLogitsProcessor

    /// Creates the processor.
    public init(beginSuppressTokens: [Int]) {
        begin = SuppressTokensLogitsProcessor(suppressTokens: beginSuppressTokens)
    }

    /// Bans the tokens if nothing was generated yet.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        if context.generatedLength == 0 { begin.process(scores, context: context) }
    }
}
