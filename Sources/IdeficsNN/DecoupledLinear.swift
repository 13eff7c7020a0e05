// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// The head whose last columns, the logits of the added tokens, have weights of their own.
///
/// Source: `IdeficsDecoupledLinear` of transformers. Checkpoint names: `weight`, `additional_fc.weight`.
public struct DecoupledLinear: Sendable {
    /// `[vocabSize, hidden]`.
    public let weight: Linear
    /// `[additionalVocabSize, hidden]`; nil without added tokens.
    public let additionalFc: Linear?

    /// A head over the given layers.
    public init(weight: Linear, additionalFc: Linear?) {
        self.weight = weight
        self.additionalFc = additionalFc
    }

    /// Logits of `x`, `[rows, hidden]`, as `[rows, vocabSize + additionalVocabSize]`, added tokens last.
    public func callAsFunction(_ x: Tensor, precision: Precision = .f32) -> Tensor {
        let products = [weight.product()] + (additionalFc.map { [$0.product()] } ?? [])
        return concatenateColumns(linear(x, products, precision: precision))
    }
}
