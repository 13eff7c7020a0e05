// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import IdeficsNN
import IdeficsTensor

// How layers find their parameters: a path of checkpoint names, the sizes they must have.
extension Weights {
    /// The linear layer `name`: `name.weight` and, with `bias`, `name.bias`.
    func linear(_ name: String, _ outFeatures: Int, _ inFeatures: Int, bias: Bool = false) -> Linear {
        let layer = self[name]
        let shape = [outFeatures, inFeatures]
        return Linear(
            weight: layer.weight("weight", shape: shape),
            bias: bias ? layer.tensor("bias", shape: [outFeatures]) : nil,
            adapter: layer.adapter(shape: shape)
        )
    }

    /// The root-mean-square norm `name`.
    func rmsNorm(_ name: String, _ features: Int, eps: Float) -> RMSNorm {
        RMSNorm(weight: self[name].tensor("weight", shape: [features]), eps: eps)
    }

    /// The layer norm `name`; `eps` is torch's default unless told otherwise.
    func layerNorm(_ name: String, _ features: Int, eps: Float = 1e-5) -> LayerNorm {
        let layer = self[name]
        return LayerNorm(
            weight: layer.tensor("weight", shape: [features]),
            bias: layer.tensor("bias", shape: [features]),
            eps: eps
        )
    }

    /// The feed-forward network `name`.
    func swiGLU(_ name: String, _ config: IdeficsConfig) -> SwiGLU {
        let layer = self[name]
        return SwiGLU(
            gateProj: layer.linear("gate_proj", config.intermediateSize, config.hiddenSize),
            upProj: layer.linear("up_proj", config.intermediateSize, config.hiddenSize),
            downProj: layer.linear("down_proj", config.hiddenSize, config.intermediateSize)
        )
    }
}
