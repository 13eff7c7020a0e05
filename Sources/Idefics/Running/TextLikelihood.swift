// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How likely a model finds each token of a text.
public struct TextLikelihood: Sendable, Equatable {
    /// The tokens of the text.
    public let tokenIds: [Int]
    /// −log p of each token given those before it in its window, in nats; nil where it was not scored.
    public let negativeLogLikelihoods: [Double?]

    /// Tokens that were scored.
    public var scoredTokenCount: Int { negativeLogLikelihoods.count { $0 != nil } }

    /// The mean over the scored tokens, in nats; NaN when there are none.
    public var meanNegativeLogLikelihood: Double {
        negativeLogLikelihoods.reduce(0) { $0 + ($1 ?? 0) } / Double(scoredTokenCount)
    }

    /// exp of the mean.
    public var perplexity: Double { exp(meanNegativeLogLikelihood) }
}
