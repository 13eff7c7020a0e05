// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
import IdeficsNN
package import IdeficsTensor

/// Compresses the features of an image into a fixed number of latents.
///
/// Learned latents attend to the image features concatenated with themselves (Flamingo, arXiv:2204.14198, section 3.1;
/// docs/model-spec.md §3.4; `IdeficsPerceiverResampler` of transformers). Input is `[images, positions, visionDim]`; output is
/// `[images, latents, visionDim]`. Checkpoint prefix: `model.perceiver_resampler`.
public struct PerceiverResampler: Sendable {
    let latents: Tensor
    let blocks: [PerceiverBlock]
    let layerNorm: LayerNorm

    init(_ config: IdeficsPerceiverConfig, width: Int, _ weights: Weights) {
        latents = cast(weights.tensor("latents", shape: [config.resamplerNLatents, width]))
        blocks = (0..<config.resamplerDepth).map { PerceiverBlock(config, width: width, weights["blocks"]["\($0)"]) }
        layerNorm = weights.layerNorm("layer_norm", width)
    }

    /// Compresses `context`, `[images, positions, visionDim]`, in inference.
    package func callAsFunction(_ context: Tensor) -> Tensor { self(context, ForwardPass()) }

    /// Compresses `context`.
    ///
    /// - Parameters:
    ///   - context: `[images, positions, visionDim]`, the vision tower's output.
    ///   - pass: how blocks are run; its observer sees each block's branch outputs and the result.
    /// - Returns: `[images, latents, visionDim]`.
    func callAsFunction(_ context: Tensor, _ pass: ForwardPass) -> Tensor {
        let (images, positions, width) = (context.shape[0], context.shape[1], context.shape[2])
        let rows = context.reshaped([images * positions, width])
        var hidden = concatenate(Array(repeating: latents, count: max(images, 1)))
        if images == 0 { hidden = hidden[0..<0] }
        for (index, block) in blocks.enumerated() {
            hidden = pass.run(.resampler(index)) { [hidden] in
                block(hidden, context: rows, images: images, precision: pass.precision) { name, branch in
                    pass.observe?("perceiver.\(index).\(name)", branch.reshaped([images, latents.shape[0], width]))
                }
            }
        }
        let output = layerNorm(hidden).reshaped([images, latents.shape[0], width])
        pass.observe?("perceiver.out", output)
        return output
    }
}

/// One resampler block: attention of the latents to image and latents, then a two-layer ReLU network; no biases.
struct PerceiverBlock: Sendable {
    let contextLayerNorm: LayerNorm
    let latentsLayerNorm: LayerNorm
    let qProj: Linear
    let kProj: Linear
    let vProj: Linear
    let outputProj: Linear
    let qLayerNorm: LayerNorm?
    let kLayerNorm: LayerNorm?
    let ln: LayerNorm
    let fc: Linear
    let cProj: Linear
    let heads: Int

    init(_ config: IdeficsPerceiverConfig, width: Int, _ weights: Weights) {
        let attention = weights["0"]
        contextLayerNorm = attention.layerNorm("context_layer_norm", width)
        latentsLayerNorm = attention.layerNorm("latents_layer_norm", width)
        qProj = attention.linear("q_proj", config.innerSize, width)
        kProj = attention.linear("k_proj", config.innerSize, width)
        vProj = attention.linear("v_proj", config.innerSize, width)
        outputProj = attention.linear("output_proj", width, config.innerSize)
        let isNormed = config.qkLayerNormsPerceiver
        qLayerNorm = isNormed ? attention.layerNorm("q_layer_norm", config.resamplerHeadDim) : nil
        kLayerNorm = isNormed ? attention.layerNorm("k_layer_norm", config.resamplerHeadDim) : nil
        let network = weights["1"]
        ln = network.layerNorm("ln", width)
        fc = network.linear("fc", width * 4, width)
        cProj = network.linear("c_proj", width, width * 4)
        heads = config.resamplerNHeads
    }

    /// `latents` is `[images · latents, visionDim]`, `context` `[images · positions, visionDim]`.
    func callAsFunction(
        _ latents: Tensor,
        context: Tensor,
        images: Int,
        precision: Precision,
        observe: ActivationObserver
    ) -> Tensor {
        let read = attend(latents, context: context, images: images, precision: precision, observe: observe)
        let attended = add(read, latents)
        let branch = cProj(fc(ln(attended), activation: .relu, precision: precision), precision: precision)
        observe("ff", branch)
        return add(branch, attended)
    }

    private func attend(
        _ latents: Tensor,
        context: Tensor,
        images: Int,
        precision: Precision,
        observe: ActivationObserver
    ) -> Tensor {
        guard images > 0 else { return latents }
        let latentCount = latents.shape[0] / images
        let contextCount = context.shape[0] / images
        let keyCount = contextCount + latentCount
        let normedContext = contextLayerNorm(context)
        let normedLatents = latentsLayerNorm(latents)
        // Keys of an image are its context first, then its latents.
        let keyInput = concatenate(
            (0..<images).flatMap { image in
                [
                    normedContext[image * contextCount..<(image + 1) * contextCount],
                    normedLatents[image * latentCount..<(image + 1) * latentCount],
                ]
            }
        )
        var q = qProj(normedLatents, precision: precision)
        let kv = linear(keyInput, [kProj.product(), vProj.product()], precision: precision)
        var k = kv[0]
        if let qLayerNorm { q = qLayerNorm(q) }
        if let kLayerNorm { k = kLayerNorm(k) }
        let segments = (0..<images).map { image in
            let keys = image * keyCount..<(image + 1) * keyCount
            return AttentionSegment(
                queries: image * latentCount..<(image + 1) * latentCount,
                pages: KeyValuePages(k: k[keys], v: kv[1][keys]),
                keyCount: keyCount
            )
        }
        let scale = 1 / Float(q.shape[1] / heads).squareRoot()
        let context = attention(q, segments, heads: heads, kvHeads: heads, scale: scale)
        let branch = outputProj(context, precision: precision)
        observe("attn", branch)
        return branch
    }
}
