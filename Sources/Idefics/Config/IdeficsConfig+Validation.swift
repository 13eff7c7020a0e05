// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsTensor

extension IdeficsConfig {
    /// Reads and checks the `config.json` at `url`.
    ///
    /// - Throws: `IdeficsError.config` naming the file and the key.
    public init(contentsOf url: URL) throws {
        self = try decodeJSON(IdeficsConfig.self, from: url)
        try ConfigProblem.naming(url.path) { try validate() }
    }

    /// Refuses values no model can have: they would otherwise surface as a trap far from their cause.
    func validate() throws {
        let sizes = [
            ("vocab_size", vocabSize), ("hidden_size", hiddenSize), ("intermediate_size", intermediateSize),
            ("num_attention_heads", numAttentionHeads),
            ("num_key_value_heads", numKeyValueHeads), ("cross_layer_interval", crossLayerInterval),
            ("vision_config.embed_dim", visionConfig.embedDim), ("vision_config.image_size", visionConfig.imageSize),
            ("vision_config.patch_size", visionConfig.patchSize),
            ("vision_config.intermediate_size", visionConfig.intermediateSize),
            ("vision_config.num_attention_heads", visionConfig.numAttentionHeads),
            ("perceiver_config.resampler_n_latents", perceiverConfig.resamplerNLatents),
            ("perceiver_config.resampler_n_heads", perceiverConfig.resamplerNHeads),
            ("perceiver_config.resampler_head_dim", perceiverConfig.resamplerHeadDim),
        ]
        for (key, value) in sizes {
            // The upper bound keeps every product of sizes far from overflow.
            guard 1...(1 << 20) ~= value else { throw ConfigProblem(key, "\(value) is not in 1...1048576") }
        }
        for (key, value, limit) in [
            ("num_hidden_layers", numHiddenLayers, 4096),
            ("vision_config.num_hidden_layers", visionConfig.numHiddenLayers, 4096),
            ("perceiver_config.resampler_depth", perceiverConfig.resamplerDepth, 4096),
            ("additional_vocab_size", additionalVocabSize, 1 << 20),
        ] {
            guard 0...limit ~= value else { throw ConfigProblem(key, "\(value) is not in 0...\(limit)") }
        }
        guard hiddenSize % numAttentionHeads == 0, headDim % 2 == 0 else {
            throw ConfigProblem(
                "num_attention_heads",
                "\(hiddenSize) floats do not give \(numAttentionHeads) even heads"
            )
        }
        guard numAttentionHeads % numKeyValueHeads == 0 else {
            throw ConfigProblem("num_key_value_heads", "\(numKeyValueHeads) does not divide \(numAttentionHeads) heads")
        }
        guard numHiddenLayers % crossLayerInterval == 0 else {
            throw ConfigProblem(
                "cross_layer_interval",
                "\(numHiddenLayers) layers are not a multiple of \(crossLayerInterval): the last gated block is missing"
            )
        }
        guard visionConfig.embedDim % visionConfig.numAttentionHeads == 0 else {
            throw ConfigProblem(
                "vision_config.num_attention_heads",
                "\(visionConfig.embedDim) floats do not give \(visionConfig.numAttentionHeads) heads"
            )
        }
        guard visionConfig.patchSize <= visionConfig.imageSize, visionConfig.imageSize <= 16_384 else {
            throw ConfigProblem(
                "vision_config.image_size",
                "\(visionConfig.imageSize) pixels, one patch or 16384 at most"
            )
        }
        guard visionConfig.numChannels == 3 else {
            throw ConfigProblem("vision_config.num_channels", "\(visionConfig.numChannels): only 3 is supported")
        }
        guard hiddenAct == "silu" else {
            throw ConfigProblem("hidden_act", "\"\(hiddenAct)\": only \"silu\" is supported")
        }
        guard Activation(rawValue: visionConfig.hiddenAct) != nil else {
            throw ConfigProblem(
                "vision_config.hidden_act",
                "\"\(visionConfig.hiddenAct)\": use gelu, quick_gelu, relu or silu"
            )
        }
        guard alphaType == "float" || alphaType == "vector" else {
            throw ConfigProblem("alpha_type", "\"\(alphaType)\" is neither \"float\" nor \"vector\"")
        }
        guard rmsNormEps > 0, rmsNormEps.isFinite, ropeTheta > 0, ropeTheta.isFinite else {
            throw ConfigProblem("rms_norm_eps, rope_theta", "must be positive numbers")
        }
    }
}
