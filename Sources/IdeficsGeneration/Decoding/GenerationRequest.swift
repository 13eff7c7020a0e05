// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// One prompt and how to continue it.
public struct GenerationRequest: Sendable {
    /// The prompt's tokens, without padding.
    public var promptTokenIds: [Int]
    /// How to continue it.
    public var config: GenerationConfig
    /// Whether tokens come with their log-probability under the model; costs one more pass over the logits.
    public var reportsLogProbs: Bool
    /// Processors of the caller, run after the constraints and before the sampling warpers.
    public var logitsProcessors: [any LogitsProcessor]

    /// Creates a request.
    public init(
        promptTokenIds: [Int],
        config: GenerationConfig,
        reportsLogProbs: Bool = false,
        logitsProcessors: [any LogitsProcessor] = []
    ) {
        self.promptTokenIds = promptTokenIds
        self.config = config
        self.reportsLogProbs = reportsLogProbs
        self.logitsProcessors = logitsProcessors
    }

    /// Computes how many tokens this request may generate.
    ///
    /// - Parameter promptIndex: The prompt's number, for the error message.
    /// - Returns: The most new tokens, at least 1 for a valid configuration.
    /// - Throws: ``GenerationError/promptTooLong(prompt:length:maxLength:)``.
    func maxNewTokens(promptIndex: Int) throws -> Int {
        if let maxNewTokens = config.maxNewTokens {
            return maxNewTokens
        }
        guard let maxLength = config.maxLength else { return 20 }
        guard promptTokenIds.count < maxLength else {
            throw GenerationError.promptTooLong(
                prompt: promptIndex,
                length: promptTokenIds.count,
                maxLength: maxLength
            )
        }
        return maxLength - promptTokenIds.count
    }
}
