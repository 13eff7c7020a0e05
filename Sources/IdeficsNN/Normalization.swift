// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// `weight ⊙ x / sqrt(mean(x²) + eps)` over the last axis (Zhang and Sennrich, arXiv:1910.07467).
public struct RMSNorm: Sendable {
    /// `[features]` in f32.
    public let weight: Tensor
    /// Added to the mean square.
    public let eps: Float

    /// A layer over the given parameters.
    public init(weight: Tensor, eps: Float) {
        self.weight = cast(weight)
        self.eps = eps
    }

    /// Normalizes `x`, whose elements are rows of `weight.count`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        rmsNorm(x, weight: weight, eps: eps)
    }
}

/// `weight ⊙ (x − mean) / sqrt(variance + eps) + bias` over the last axis (Ba et al., arXiv:1607.06450).
public struct LayerNorm: Sendable {
    /// `[features]` in f32.
    public let weight: Tensor
    /// `[features]` in f32.
    public let bias: Tensor
    /// Added to the variance.
    public let eps: Float

    /// A layer over the given parameters.
    public init(weight: Tensor, bias: Tensor, eps: Float) {
        self.weight = cast(weight)
        self.bias = cast(bias)
        self.eps = eps
    }

    /// Normalizes `x`, whose elements are rows of `weight.count`.
    public func callAsFunction(_ x: Tensor) -> Tensor {
        layerNorm(x, weight: weight, bias: bias, eps: eps)
    }
}
