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
        for (key, value) in [
            ("vocab_size", vocabSize), ("hidden_size", hiddenSize), ("intermediate_size", intermediateSize),
            ("num_attention_heads", numAttentionHeads), ("num_key_value_heads", numKeyValueHeads),
            ("cross_layer_interval", crossLayerInterval),
        ] { try ConfigProblem.requireSize(key, value) }
        try ConfigProblem.require("num_hidden_layers", numHiddenLayers, in: 0...ConfigProblem.maximumDepth)
        try ConfigProblem.require("additional_vocab_size", additionalVocabSize, in: 0...ConfigProblem.maximumSize)
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
        guard hiddenAct == "silu" else {
            throw ConfigProblem("hidden_act", "\"\(hiddenAct)\": only \"silu\" is supported")
        }
        guard alphaType == "float" || alphaType == "vector" else {
            throw ConfigProblem("alpha_type", "\"\(alphaType)\" is neither \"float\" nor \"vector\"")
        }
        try ConfigProblem.requirePositive("rms_norm_eps", rmsNormEps)
        // Below 1 later pairs would turn faster than the first, beyond what angles in f32 can tell apart.
        guard ropeTheta >= 1, ropeTheta.isFinite else {
            throw ConfigProblem("rope_theta", "\(ropeTheta) is not a number from 1 up")
        }
        guard 0..<1 ~= dropout else { throw ConfigProblem("dropout", "\(dropout) is not 0 or more and less than 1") }
        try ConfigProblem.requireNotNegative("initializer_range", initializerRange)
        try ConfigProblem.requireNotNegative("alphas_initializer_range", alphasInitializerRange)
        try visionConfig.validate()
        try perceiverConfig.validate()
    }
}

extension IdeficsVisionConfig {
    /// Refuses values no vision tower can have; complaints name keys of the nested object.
    func validate() throws {
        func key(_ name: String) -> String { "vision_config.\(name)" }
        for (name, value) in [
            ("embed_dim", embedDim), ("image_size", imageSize), ("patch_size", patchSize),
            ("intermediate_size", intermediateSize), ("num_attention_heads", numAttentionHeads),
        ] { try ConfigProblem.requireSize(key(name), value) }
        try ConfigProblem.require(key("num_hidden_layers"), numHiddenLayers, in: 0...ConfigProblem.maximumDepth)
        guard embedDim % numAttentionHeads == 0 else {
            throw ConfigProblem(
                key("num_attention_heads"),
                "\(embedDim) floats do not give \(numAttentionHeads) heads"
            )
        }
        guard patchSize <= imageSize, imageSize <= 16_384 else {
            throw ConfigProblem(key("image_size"), "\(imageSize) pixels, one patch or 16384 at most")
        }
        guard numChannels == 3 else {
            throw ConfigProblem(key("num_channels"), "\(numChannels): only 3 is supported")
        }
        guard Activation(rawValue: hiddenAct) != nil else {
            throw ConfigProblem(key("hidden_act"), "\"\(hiddenAct)\": use gelu, quick_gelu, relu or silu")
        }
        try ConfigProblem.requireNotNegative(key("layer_norm_eps"), layerNormEps)
    }
}

extension IdeficsPerceiverConfig {
    /// Refuses values no resampler can have; complaints name keys of the nested object.
    func validate() throws {
        try ConfigProblem.requireSize("perceiver_config.resampler_n_latents", resamplerNLatents)
        try ConfigProblem.requireSize("perceiver_config.resampler_n_heads", resamplerNHeads)
        try ConfigProblem.requireSize("perceiver_config.resampler_head_dim", resamplerHeadDim)
        try ConfigProblem.require(
            "perceiver_config.resampler_depth",
            resamplerDepth,
            in: 0...ConfigProblem.maximumDepth
        )
    }
}

extension ConfigProblem {
    /// Keeps every product of sizes far from overflow.
    static let maximumSize = 1 << 20
    /// No model has more layers.
    static let maximumDepth = 4096

    static func require(_ key: String, _ value: Int, in range: ClosedRange<Int>) throws {
        guard range ~= value else {
            throw ConfigProblem(key, "\(value) is not in \(range.lowerBound)...\(range.upperBound)")
        }
    }

    static func requireSize(_ key: String, _ value: Int) throws {
        try require(key, value, in: 1...maximumSize)
    }

    static func requirePositive(_ key: String, _ value: Float) throws {
        guard value > 0, value.isFinite else { throw ConfigProblem(key, "\(value) is not a positive number") }
    }

    static func requireNotNegative(_ key: String, _ value: Float) throws {
        guard value >= 0, value.isFinite else { throw ConfigProblem(key, "\(value) is not a number from 0 up") }
    }
}
