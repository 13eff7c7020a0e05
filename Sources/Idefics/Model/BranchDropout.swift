// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

/// Dropout on the outputs of branches, before they are added to what goes past them, and on the weights of attention
/// (`dropout` of `IdeficsConfig`).
///
/// The mask depends on the seed, the place of the branch in the model and the place of the element alone, so that a layer
/// that is computed again in the backward pass drops the same.
struct BranchDropout: Sendable {
    /// Share of elements dropped, in 0..<1.
    let probability: Double
    /// Of this pass.
    let seed: UInt64

    /// Places of branches in the order of the model.
    enum Branch: UInt64 {
        case crossAttention
        case gatedNetwork
        case selfAttention
        case network
    }

    /// For the weights of the attention in a branch.
    func attention(_ place: Branch, layer: Int) -> AttentionDropout {
        AttentionDropout(probability: probability, seed: seed, offset: UInt64(layer) * 4 + place.rawValue)
    }

    /// `residual` + dropped `branch`.
    func add(_ branch: Tensor, to residual: Tensor, _ place: Branch, layer: Int) -> Tensor {
        // No activation has 2^40 elements, so no two branches share part of a mask.
        let offset = (UInt64(layer) * 4 + place.rawValue) << 40
        return IdeficsTensor.add(residual, dropout(branch, probability: probability, seed: seed, offset: offset))
    }
}
