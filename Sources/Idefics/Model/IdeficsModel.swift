// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsCheckpoints
import IdeficsNN
public import IdeficsTensor

/// IDEFICS: a Llama decoder that sees images through gated cross-attention blocks.
///
/// Vision tower → resampler → decoder; a gated block precedes every `crossLayerInterval`-th decoder layer
/// (docs/model-spec.md §3; `IdeficsForVisionText2Text` of transformers). A value of immutable parameters: copies share
/// them, and any number of tasks may use it at once.
public struct IdeficsModel: Sendable {
    /// Its architecture.
    public let config: IdeficsConfig
    /// Encodes images.
    public let visionModel: VisionTransformer
    /// Compresses image features; nil when the decoder sees them all.
    public let perceiverResampler: PerceiverResampler?
    let decoder: IdeficsDecoder
    let lmHead: DecoupledLinear
    /// Where its parameters lie, and what it computes.
    public let device: Device

    /// A model of the parameters in `weights`, those of a checkpoint's root.
    ///
    /// What is missing or of another shape is noted in `weights`, which the caller asks afterwards.
    public init(_ config: IdeficsConfig, _ weights: Weights) {
        self.config = config
        let model = weights["model"]
        let hidden = config.hiddenSize
        visionModel = VisionTransformer(config.visionConfig, model["vision_model"])
        perceiverResampler =
            config.useResampler
            ? PerceiverResampler(
                config.perceiverConfig,
                width: config.visionConfig.embedDim,
                model["perceiver_resampler"]
            ) : nil
        let hasAdditional = config.additionalVocabSize > 0
        let additionalShape = [config.additionalVocabSize, hidden]
        let embedTokens = DecoupledEmbedding(
            weight: model["embed_tokens"].weight("weight", shape: [config.vocabSize, hidden]),
            additionalEmbedding: hasAdditional
                ? model["embed_tokens"]["additional_embedding"].weight("weight", shape: additionalShape) : nil
        )
        decoder = IdeficsDecoder(
            embedTokens: embedTokens,
            gatedCrossAttnLayers: (0..<config.numGatedLayers).map {
                GatedCrossAttentionLayer(config, model["gated_cross_attn_layers"]["\($0)"])
            },
            layers: (0..<config.numHiddenLayers).map { DecoderLayer(config, model["layers"]["\($0)"]) },
            interval: config.crossLayerInterval,
            norm: model.rmsNorm("norm", hidden, eps: config.rmsNormEps),
            rotary: RotaryEmbedding(headDim: config.headDim, theta: config.ropeTheta, device: weights.device)
        )
        if config.tieWordEmbeddings {
            lmHead = DecoupledLinear(
                weight: Linear(weight: embedTokens.weight),
                additionalFc: embedTokens.additionalEmbedding.map { Linear(weight: $0) }
            )
        } else {
            lmHead = DecoupledLinear(
                weight: weights.linear("lm_head", config.vocabSize, hidden),
                additionalFc: hasAdditional
                    ? weights["lm_head"].linear("additional_fc", config.additionalVocabSize, hidden) : nil
            )
        }
        device = weights.device
    }

    /// What checkpoints of `config` hold, in the order the model takes it.
    public static func parameters(of config: IdeficsConfig) -> [Weights.Parameter] {
        Weights.listing { _ = IdeficsModel(config, $0) }
    }

    /// An empty cache for one sequence, of keys and values stored as `type`.
    func makeCache(_ type: KeyValueType) -> KVCache {
        KVCache(
            layerCount: config.numHiddenLayers,
            kvHeads: config.numKeyValueHeads,
            headDim: config.headDim,
            type: type,
            device: device
        )
    }

    /// Logits of decoder outputs `[rows, hidden]`: `[rows, vocabSize + additionalVocabSize]`.
    func logits(_ hidden: Tensor, precision: Precision = .f32) -> Tensor {
        lmHead(hidden, precision: precision)
    }
}
