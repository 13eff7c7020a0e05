// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import IdeficsNN
import IdeficsTensor

/// Lets the decoder see images: cross-attention and a feed-forward network, each behind a tanh gate.
///
/// `h + tanh(α_attn) · attention(h, images)`, rows that see no image unchanged, then `h + tanh(α_dense) · network(h)` for
/// all rows (Flamingo, arXiv:2204.14198, section 3.2; docs/model-spec.md §3.9; `IdeficsGatedCrossAttentionLayer` of
/// transformers). Checkpoint prefix: `model.gated_cross_attn_layers.N`.
struct GatedCrossAttentionLayer: Sendable {
    let inputLayerNorm: RMSNorm
    let qProj: Linear
    let kProj: Linear
    let vProj: Linear
    let oProj: Linear
    let qLayerNorm: RMSNorm?
    let kLayerNorm: RMSNorm?
    let postAttentionLayerNorm: RMSNorm
    let mlp: SwiGLU
    /// tanh of the gates, `[1]` or `[hidden]`.
    let crossAttnGate: Tensor
    let denseGate: Tensor
    /// Whether any channel of the attention passes its gate.
    ///
    /// A branch behind a closed gate adds exactly nothing and is not run: a model whose training has not begun costs no
    /// more than its language model.
    let isCrossAttnGateOpen: Bool
    /// Whether any channel of the network passes its gate.
    let isDenseGateOpen: Bool
    let heads: Int

    init(_ config: IdeficsConfig, _ weights: Weights) {
        let (hidden, imageDim) = (config.hiddenSize, config.visionConfig.embedDim)
        inputLayerNorm = weights.rmsNorm("input_layernorm", hidden, eps: config.rmsNormEps)
        let attention = weights["cross_attn"]
        qProj = attention.linear("q_proj", hidden, hidden)
        kProj = attention.linear("k_proj", hidden, imageDim)
        vProj = attention.linear("v_proj", hidden, imageDim)
        oProj = attention.linear("o_proj", hidden, hidden)
        let isNormed = config.qkLayerNorms
        qLayerNorm = isNormed ? attention.rmsNorm("q_layer_norm", config.headDim, eps: config.rmsNormEps) : nil
        kLayerNorm = isNormed ? attention.rmsNorm("k_layer_norm", config.headDim, eps: config.rmsNormEps) : nil
        postAttentionLayerNorm = weights.rmsNorm("post_attention_layernorm", hidden, eps: config.rmsNormEps)
        mlp = weights.swiGLU("mlp", config)
        let alphaShape = config.alphaType == "vector" ? [1, 1, hidden] : [1]
        crossAttnGate = Self.gate(weights.tensor("alpha_cross_attn", shape: alphaShape))
        denseGate = Self.gate(weights.tensor("alpha_dense", shape: alphaShape))
        isCrossAttnGateOpen = Self.isOpen(crossAttnGate)
        isDenseGateOpen = Self.isOpen(denseGate)
        heads = config.numAttentionHeads
    }

    private static func gate(_ alpha: Tensor) -> Tensor {
        tanh(cast(alpha)).reshaped([alpha.count])
    }

    /// A gate that is trained is open even at 0: its gradient needs the branch.
    private static func isOpen(_ gate: Tensor) -> Bool {
        gate.isRecorded || gate.toHost().floatArray().contains { $0 != 0 }
    }

    /// Keys and values of image tokens, `[tokens, visionDim]`, each `[tokens, hidden]`.
    func keysValues(_ imageTokens: Tensor, precision: Precision) -> (k: Tensor, v: Tensor) {
        let kv = linear(imageTokens, [kProj.product(), vProj.product()], precision: precision)
        return (kLayerNorm.map { $0(kv[0]) } ?? kv[0], kv[1])
    }

    /// Applies the block.
    ///
    /// - Parameters:
    ///   - hidden: `[rows, hidden]`.
    ///   - runs: which rows see which images.
    ///   - index: this block's number among gated blocks, for the observer.
    ///   - layer: the number of the layer it precedes, by which branches are dropped.
    ///   - pass: how it is run; its observer sees the attention's output and the block's.
    ///   - keysValues: the keys and values of an image in this block.
    /// - Returns: `[rows, hidden]`.
    func callAsFunction(
        _ hidden: Tensor,
        runs: [ImageRun],
        index: Int,
        layer: Int,
        _ pass: ForwardPass,
        keysValues: (EncodedImage) -> KeyValuePages
    ) -> Tensor {
        let (precision, dropout, observe) = (pass.precision, pass.dropout, pass.observe)
        var attended = hidden
        let isAttending = isCrossAttnGateOpen || observe != nil
        let segments = isAttending ? runs.compactMap { $0.segment(keysValues) } : []
        if !segments.isEmpty {
            var q = qProj(inputLayerNorm(hidden), precision: precision)
            if let qLayerNorm { q = qLayerNorm(q) }
            let scale = 1 / Float(hidden.shape[1] / heads).squareRoot()
            // Rows of no segment are zero here and stay so through the bias-free projection.
            let dropped = dropout?.attention(.crossAttention, layer: layer)
            let context = attention(q, segments, heads: heads, kvHeads: heads, scale: scale, dropout: dropped)
            if let observe { observe("cross.\(index).attn", oProj(context, precision: precision)) }
            // To drop behind the gate is to drop before it: both multiply elements.
            attended =
                dropout.map {
                    let branch = oProj(context, scale: crossAttnGate, precision: precision)
                    return $0.add(branch, to: hidden, .crossAttention, layer: layer)
                } ?? oProj(context, scale: crossAttnGate, residual: hidden, precision: precision)
        }
        guard isDenseGateOpen else {
            observe?("cross.\(index).out", attended)
            return attended
        }
        let normed = postAttentionLayerNorm(attended)
        let output =
            dropout.map {
                let branch = mlp(normed, scale: denseGate, precision: precision)
                return $0.add(branch, to: attended, .gatedNetwork, layer: layer)
            } ?? mlp(normed, scale: denseGate, residual: attended, precision: precision)
        observe?("cross.\(index).out", output)
        return output
    }
}

extension ImageRun {
    /// The run as queries over one page for each image; nil when it sees none.
    fileprivate func segment(_ keysValues: (EncodedImage) -> KeyValuePages) -> AttentionSegment? {
        guard let first = images.first else { return nil }
        var pages = keysValues(first)
        for image in images.dropFirst() { pages.append(keysValues(image)) }
        return AttentionSegment(queries: rows, pages: pages, keyCount: pages.pageTokens * images.count)
    }
}
