// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import IdeficsTensor

extension IdeficsConfig {
    /// The `config.json` of a checkpoint with weights of `dtype`, as transformers writes it.
    ///
    /// Extensions are written only where they say something: `num_key_value_heads` with grouped queries,
    /// `use_pre_layernorm` for towers without that norm. Reading it back gives an equal configuration.
    ///
    /// - Parameter dtype: of the weights.
    /// - Returns: JSON text with sorted keys.
    /// - Throws: an error when a number is not finite.
    public func json(dtype: DType) throws -> Data {
        var json: [String: Any] = [
            "model_type": "idefics",
            "architectures": ["IdeficsForVisionText2Text"],
            "torch_dtype": dtype.torchName,
            "vocab_size": vocabSize,
            "additional_vocab_size": additionalVocabSize,
            "hidden_size": hiddenSize,
            "intermediate_size": intermediateSize,
            "num_hidden_layers": numHiddenLayers,
            "num_attention_heads": numAttentionHeads,
            "hidden_act": hiddenAct,
            "rms_norm_eps": rmsNormEps.decimal,
            "max_position_embeddings": maxPositionEmbeddings,
            "rope_theta": ropeTheta.decimal,
            "rope_parameters": ["rope_type": "default", "rope_theta": ropeTheta.decimal] as [String: Any],
            "alpha_initializer": alphaInitializer,
            "alphas_initializer_range": alphasInitializerRange.decimal,
            "alpha_type": alphaType,
            "cross_layer_interval": crossLayerInterval,
            "qk_layer_norms": qkLayerNorms,
            "use_resampler": useResampler,
            "initializer_range": initializerRange.decimal,
            "dropout": dropout.decimal,
            "freeze_text_layers": freezeTextLayers,
            "freeze_lm_head": freezeLmHead,
            "freeze_vision_layers": freezeVisionLayers,
            "pad_token_id": padTokenId,
            "bos_token_id": bosTokenId,
            "eos_token_id": eosTokenIds.count == 1 ? eosTokenIds[0] : eosTokenIds,
            "tie_word_embeddings": tieWordEmbeddings,
            "use_cache": true,
            "vision_config": visionConfig.json,
            "perceiver_config": perceiverConfig.json,
        ]
        if numKeyValueHeads != numAttentionHeads { json["num_key_value_heads"] = numKeyValueHeads }
        guard JSONSerialization.isValidJSONObject(json) else {
            throw IdeficsError.config(file: "config.json", key: "", reason: "a number is not finite")
        }
        return try JSONSerialization.data(
            withJSONObject: json,
            options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        )
    }
}

extension IdeficsVisionConfig {
    fileprivate var json: [String: Any] {
        var json: [String: Any] = [
            "model_type": "idefics_vision",
            "embed_dim": embedDim,
            "image_size": imageSize,
            "patch_size": patchSize,
            "intermediate_size": intermediateSize,
            "num_hidden_layers": numHiddenLayers,
            "num_attention_heads": numAttentionHeads,
            "num_channels": numChannels,
            "hidden_act": hiddenAct,
            "layer_norm_eps": layerNormEps.decimal,
        ]
        if !usePreLayerNorm { json["use_pre_layernorm"] = false }
        return json
    }
}

extension IdeficsPerceiverConfig {
    fileprivate var json: [String: Any] {
        [
            "model_type": "idefics_perciever",  // transformers' own spelling
            "resampler_n_latents": resamplerNLatents,
            "resampler_depth": resamplerDepth,
            "resampler_n_heads": resamplerNHeads,
            "resampler_head_dim": resamplerHeadDim,
            "qk_layer_norms_perceiver": qkLayerNormsPerceiver,
        ]
    }
}

extension Float {
    /// The double nearest to this number's shortest decimal form, so that 1e-5 is written as 1e-5.
    fileprivate var decimal: Double { Double(description) ?? Double(self) }
}

extension DType {
    /// torch's name of this type.
    fileprivate var torchName: String {
        switch self {
        case .bf16: "bfloat16"
        case .f16: "float16"
        default: "float32"
        }
    }
}
