// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import IdeficsTensor

/// Rotary position embedding in the half-split convention of Llama checkpoints (Su et al., arXiv:2104.09864).
public struct RotaryEmbedding: Sendable {
    /// `theta^(−2j / headDim)` for j in 0..<headDim / 2, in f32.
    public let inverseFrequencies: Tensor

    /// Frequencies for heads of `headDim` (even) with base `theta`, in the memory of `device`.
    public init(headDim: Int, theta: Float, device: Device = .cpu) {
        // In f32 and in this order, as the reference computes them.
        let frequencies = (0..<headDim / 2).map { 1 / powf(theta, Float(2 * $0) / Float(headDim)) }
        inverseFrequencies = Tensor(frequencies, shape: [headDim / 2]).to(device)
    }

    /// Rotates the heads of `x`, `[rows, heads · headDim]`, to their `positions`.
    public func callAsFunction(_ x: Tensor, positions: [Int32], heads: Int) -> Tensor {
        rope(x, positions: positions, inverseFrequencies: inverseFrequencies, heads: heads)
    }
}
