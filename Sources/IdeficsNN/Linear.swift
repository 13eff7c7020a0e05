// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// `x · weightᵀ + bias`, and what an adapter adds to it.
public struct Linear: Sendable {
    /// `[outFeatures, inFeatures]`, as it lies in the checkpoint.
    public let weight: Weight
    /// `[outFeatures]` in f32.
    public let bias: Tensor?
    /// Added to the product (LoRA); nil for none, which costs nothing.
    public let adapter: LowRankAdapter?

    /// A layer over the given parameters.
    public init(weight: Weight, bias: Tensor? = nil, adapter: LowRankAdapter? = nil) {
        self.weight = weight
        self.bias = bias.map { cast($0) }
        self.adapter = adapter
    }

    /// Applies the layer to `x`, `[rows, inFeatures]`.
    ///
    /// - Parameters:
    ///   - x: the input.
    ///   - activation: applied to the result.
    ///   - scale: `[1]` or `[outFeatures]`, multiplies the activated result.
    ///   - residual: `[rows, outFeatures]`, added last.
    ///   - precision: of the product.
    /// - Returns: `[rows, outFeatures]`.
    public func callAsFunction(
        _ x: Tensor,
        activation: Activation = .none,
        scale: Tensor? = nil,
        residual: Tensor? = nil,
        precision: Precision = .f32
    ) -> Tensor {
        linear(x, product(activation: activation, scale: scale, residual: residual), precision: precision)
    }

    /// The layer as one of several products of the same input.
    public func product(
        activation: Activation = .none,
        scale: Tensor? = nil,
        residual: Tensor? = nil
    ) -> LinearProduct {
        LinearProduct(
            weight,
            bias: bias,
            activation: activation,
            scale: scale,
            residual: residual,
            adapter: adapter
        )
    }
}
