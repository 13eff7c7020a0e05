// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsNN
import IdeficsTensor

extension IdeficsModel {
    /// Bytes of parameters that generating one token of one sequence without images reads: decoder, feed-forward networks
    /// of open gated blocks, head, and one row of the embedding.
    package var decodeParameterBytes: Int {
        let decoder = layers.reduce(0) { $0 + $1.parameterBytes }
        let gated = gatedCrossAttnLayers.reduce(0) { $0 + $1.textParameterBytes }
        let head = lmHead.weight.parameterBytes + (lmHead.additionalFc?.parameterBytes ?? 0)
        return decoder + gated + norm.weight.byteCount + head + embedTokens.weight.byteCount
            / embedTokens.weight.shape[0]
    }

    /// Bytes of keys and values that one token after `context` others reads.
    package func cacheBytes(context: Int) -> Int {
        (context + 1) * config.numHiddenLayers * 2 * config.numKeyValueHeads * config.headDim
            * MemoryLayout<Float>.size
    }
}

extension DecoderLayer {
    fileprivate var parameterBytes: Int {
        [qProj, kProj, vProj, oProj].reduce(mlp.parameterBytes) { $0 + $1.parameterBytes }
            + inputLayerNorm.weight.byteCount + postAttentionLayerNorm.weight.byteCount
    }
}

extension GatedCrossAttentionLayer {
    /// Without images there is no attention, and a closed gate leaves the network out too.
    fileprivate var textParameterBytes: Int {
        isDenseGateOpen ? mlp.parameterBytes + postAttentionLayerNorm.weight.byteCount : 0
    }
}

extension SwiGLU {
    fileprivate var parameterBytes: Int {
        gateProj.parameterBytes + upProj.parameterBytes + downProj.parameterBytes
    }
}

extension Linear {
    fileprivate var parameterBytes: Int {
        weight.byteCount + (bias?.byteCount ?? 0) + (adapter?.byteCount ?? 0)
    }
}
