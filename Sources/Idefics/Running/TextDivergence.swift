// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// How a model's predictions of a text differ from those of a reference, such as the model it was quantized from.
public struct TextDivergence: Sendable, Equatable {
    /// How likely the model finds each token.
    public let likelihood: TextLikelihood
    /// How likely the reference finds each token.
    public let referenceLikelihood: TextLikelihood
    /// The mean over the scored tokens of Σ p · (log p − log q), p being the reference's distribution of the next token
    /// and q the model's, in nats.
    public let meanDivergence: Double
    /// The share of scored tokens for which both find the same token most likely, 0...1.
    public let topAgreement: Double

    /// Perplexity divided by the reference's, minus 1.
    public var relativeLoss: Double { likelihood.perplexity / referenceLikelihood.perplexity - 1 }
}
