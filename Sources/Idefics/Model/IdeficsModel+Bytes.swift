// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsNN
package import IdeficsTensor

extension IdeficsModel {
    /// Bytes of parameters that generating one token of one sequence reads: decoder, branches of gated blocks that are
    /// run, head, and one row of the embedding.
    ///
    /// - Parameter seesImages: whether the token sees an image; otherwise the gated blocks' attention is not run.
    /// - Returns: bytes.
    package func decodeParameterBytes(seesImages: Bool = false) -> Int {
        let blocks = decoder.blocks.reduce(0) { sum, block in
            switch block {
            case .gatedCrossAttention(_, _, let block): sum + block.decodeParameterBytes(seesImages: seesImages)
            case .layer(_, let layer): sum + layer.parameterBytes
            }
        }
        let head = lmHead.weight.parameterBytes + (lmHead.additionalFc?.parameterBytes ?? 0)
        let embedding = decoder.embedTokens.weight
        return blocks + decoder.norm.weight.byteCount + head + embedding.byteCount / embedding.shape[0]
    }

    /// Bytes of keys and values, stored as `type`, that one token after `context` others reads.
    package func cacheBytes(context: Int, type: KeyValueType = .f32) -> Int {
        (context + 1) * config.numHiddenLayers * 2
            * type.rowByteCount(kvHeads: config.numKeyValueHeads, headDim: config.headDim)
    }

    /// Refuses a pass over `tokens` tokens for which there is no memory.
    ///
    /// Nothing after this can say so: an allocation that fails in the middle of a pass ends the process. What is counted is
    /// what a pass takes at least.
    ///
    /// - Parameters:
    ///   - tokens: tokens of all sequences.
    ///   - outputRows: rows of logits that are kept.
    ///   - keyValueType: how keys and values are stored.
    /// - Throws: `IdeficsError.input`.
    func checkMemory(tokens: Int, outputRows: Int = 0, keyValueType: KeyValueType) throws {
        let activations = Double(3 * config.intermediateSize + 4 * config.hiddenSize)
        let perToken = activations * 4 + Double(cacheBytes(context: 0, type: keyValueType))
        let byteCount = Double(tokens) * perToken + Double(outputRows) * Double(config.totalVocabSize) * 4
        guard byteCount > Double(256 << 20) else { return }
        let available = SystemMemory().availableByteCount
        guard byteCount > Double(available) else { return }
        throw IdeficsError.input(
            field: "input_ids",
            reason: "\(tokens) tokens at once take at least \(Int(byteCount / 1e6)) MB of memory; there are "
                + "\(available / 1_000_000) MB. Give shorter or fewer prompts at once, or cut them "
                + "(--truncation, --max-prompt-length, --batch-size)"
        )
    }
}

extension DecoderLayer {
    fileprivate var parameterBytes: Int {
        [qProj, kProj, vProj, oProj].reduce(mlp.parameterBytes) { $0 + $1.parameterBytes }
            + inputLayerNorm.weight.byteCount + postAttentionLayerNorm.weight.byteCount
    }
}

extension GatedCrossAttentionLayer {
    /// Without images there is no attention, and a closed gate leaves its branch out too; keys and values of images are
    /// there already.
    fileprivate func decodeParameterBytes(seesImages: Bool) -> Int {
        let isAttending = seesImages && isCrossAttnGateOpen
        let attention =
            qProj.parameterBytes + oProj.parameterBytes + inputLayerNorm.weight.byteCount
            + (qLayerNorm?.weight.byteCount ?? 0)
        let network = mlp.parameterBytes + postAttentionLayerNorm.weight.byteCount
        return (isAttending ? attention : 0) + (isDenseGateOpen ? network : 0)
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
