// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Adjusts the scores of the next token before one is chosen.
///
/// Scores are logits in greedy search and sampling, log-probabilities in beam search. A token is excluded by the score
/// −∞. One type for each of transformers' processors and warpers, by the same name and with the same arithmetic.
public protocol LogitsProcessor: Sendable {
    /// Changes the scores in place.
    ///
    /// - Parameters:
    ///   - scores: One score for each token of the vocabulary.
    ///   - context: The sequence so far.
    func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext)
}

/// The tokens of one sequence: its prompt and what was generated.
///
/// There is no padding: transformers pads a batch on the left and lets those pads count as tokens of the prompt in
/// n-gram rules and lengths, here a batch gives what its prompts give alone.
public struct TokenContext: Sendable, Equatable {
    /// Prompt, then generated tokens.
    public var tokenIds: [Int]
    /// How many of them are the prompt.
    public let promptLength: Int

    /// Starts the context of a prompt.
    public init(promptTokenIds: [Int]) {
        tokenIds = promptTokenIds
        promptLength = promptTokenIds.count
    }

    /// How many tokens were generated.
    public var generatedLength: Int { tokenIds.count - promptLength }

    /// The generated tokens.
    public var generatedTokenIds: [Int] { Array(tokenIds[promptLength...]) }
}
