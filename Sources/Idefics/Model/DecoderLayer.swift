// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import IdeficsNN
import IdeficsTensor

/// A Llama decoder layer: causal self-attention with rotary positions and a SwiGLU network, both pre-norm.
///
/// Model-spec §3.8; `IdeficsDecoderLayer` of transformers. Checkpoint prefix: `model.layers.N`.
struct DecoderLayer: Sendable {
    let inputLayerNorm: RMSNorm
    let qProj: Linear
    let kProj: Linear
    let vProj: Linear
    let oProj: Linear
    let postAttentionLayerNorm: RMSNorm
    let mlp: SwiGLU
    let heads: Int
    let kvHeads: Int

    init(_ config: IdeficsConfig, _ weights: Weights) {
        let hidden = config.hiddenSize
        let kvWidth = config.numKeyValueHeads * config.headDim
        inputLayerNorm = weights.rmsNorm("input_layernorm", hidden, eps: config.rmsNormEps)
        let attention = weights["self_attn"]
        qProj = attention.linear("q_proj", hidden, hidden)
        kProj = attention.linear("k_proj", kvWidth, hidden)
        vProj = attention.linear("v_proj", kvWidth, hidden)
        oProj = attention.linear("o_proj", hidden, hidden)
        postAttentionLayerNorm = weights.rmsNorm("post_attention_layernorm", hidden, eps: config.rmsNormEps)
        mlp = weights.swiGLU("mlp", config)
        heads = config.numAttentionHeads
        kvHeads = config.numKeyValueHeads
    }

    /// Applies the layer to new tokens of several sequences.
    ///
    /// - Parameters:
    ///   - hidden: `[rows, hidden]`, the sequences one after the other.
    ///   - batch: which rows belong to which sequence, and their positions.
    ///   - index: the layer's number.
    ///   - rotary: the position embedding.
    ///   - pass: how it is run; its observer sees the attention's output and the layer's.
    ///   - segment: takes new keys (rotated) and values of a sequence and tells what its new queries see.
    /// - Returns: `[rows, hidden]`.
    func callAsFunction(
        _ hidden: Tensor,
        batch: DecoderBatch,
        index: Int,
        rotary: RotaryEmbedding,
        _ pass: ForwardPass,
        segment: (_ sequence: Int, _ k: Tensor, _ v: Tensor) -> AttentionSegment
    ) -> Tensor {
        let (precision, dropout, observe) = (pass.precision, pass.dropout, pass.observe)
        let projections = [qProj.product(), kProj.product(), vProj.product()]
        let qkv = linear(inputLayerNorm(hidden), projections, precision: precision)
        let dropped = dropout?.attention(.selfAttention, layer: index)
        let context = context(qkv, positions: batch.positions, rotary: rotary, dropout: dropped) { k, v in
            batch.sequenceRows.enumerated().map { sequence, rows in segment(sequence, k[rows], v[rows]) }
        }
        if let observe { observe("layer.\(index).attn", oProj(context, precision: precision)) }
        if let dropout {
            let branch = oProj(context, precision: precision)
            let attended = dropout.add(branch, to: hidden, .selfAttention, layer: index)
            let network = mlp(postAttentionLayerNorm(attended), precision: precision)
            return dropout.add(network, to: attended, .network, layer: index)
        }
        let attended = oProj(context, residual: hidden, precision: precision)
        let output = mlp(postAttentionLayerNorm(attended), residual: attended, precision: precision)
        observe?("layer.\(index).out", output)
        return output
    }

    /// The attention before its output projection.
    ///
    /// - Parameters:
    ///   - qkv: queries, keys and values of the rows, not rotated yet.
    ///   - positions: of the rows.
    ///   - rotary: the position embedding.
    ///   - dropout: of weights, in training.
    ///   - segments: what queries see, given the rows' keys (rotated) and values.
    /// - Returns: `[rows, hidden]`.
    func context(
        _ qkv: [Tensor],
        positions: [Int32],
        rotary: RotaryEmbedding,
        dropout: AttentionDropout? = nil,
        segments: (_ k: Tensor, _ v: Tensor) -> [AttentionSegment]
    ) -> Tensor {
        let q = rotary(qkv[0], positions: positions, heads: heads)
        let k = rotary(qkv[1], positions: positions, heads: kvHeads)
        let scale = 1 / Float(q.shape[1] / heads).squareRoot()
        return attention(q, segments(k, qkv[2]), heads: heads, kvHeads: kvHeads, scale: scale, dropout: dropout)
    }
}

extension AttentionSegment {
    /// Rows of a whole sequence, each of which sees those up to itself; `k` and `v` are its keys and values.
    init(wholeSequence rows: Range<Int>, k: Tensor, v: Tensor) {
        self.init(queries: rows, pages: KeyValuePages(k: k, v: v), keyCount: k.shape[0], causalPast: 0)
    }
}
