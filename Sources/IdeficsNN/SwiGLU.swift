// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// The gated feed-forward network of Llama: `down(silu(gate(x)) ⊙ up(x))` (Shazeer, arXiv:2002.05202).
public struct SwiGLU: Sendable {
    /// `[intermediate, hidden]`.
    public let gateProj: Linear
    /// `[intermediate, hidden]`.
    public let upProj: Linear
    /// `[hidden, intermediate]`.
    public let downProj: Linear

    /// A network over the given layers.
    public init(gateProj: Linear, upProj: Linear, downProj: Linear) {
        self.gateProj = gateProj
        self.upProj = upProj
        self.downProj = downProj
    }

    /// `residual + scale ⊙ network(x)`; `x` and the result are `[rows, hidden]`.
    public func callAsFunction(
        _ x: Tensor,
        scale: Tensor? = nil,
        residual: Tensor? = nil,
        precision: Precision = .f32
    ) -> Tensor {
        let parts = linear(x, [gateProj.product(), upProj.product()], precision: precision)
        let inner = swiglu(gate: parts[0], up: parts[1])
        return downProj(inner, scale: scale, residual: residual, precision: precision)
    }
}
