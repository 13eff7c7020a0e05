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
    /// - Returns: JSON text; the configuration must be valid, so its numbers are finite.
    public func json(dtype: DType) -> Data {
        var members: [(String, any JSONText)] = [
            ("model_type", "idefics"),
            ("architectures", ["IdeficsForVisionText2Text"]),
            ("torch_dtype", dtype.torchName),
            ("vocab_size", vocabSize),
            ("additional_vocab_size", additionalVocabSize),
            ("hidden_size", hiddenSize),
            ("intermediate_size", intermediateSize),
            ("num_hidden_layers", numHiddenLayers),
            ("num_attention_heads", numAttentionHeads),
            ("hidden_act", hiddenAct),
            ("rms_norm_eps", rmsNormEps),
            ("max_position_embeddings", maxPositionEmbeddings),
            ("rope_theta", ropeTheta),
            ("rope_parameters", JSONObject([("rope_type", "default"), ("rope_theta", ropeTheta)])),
            ("alpha_initializer", alphaInitializer),
            ("alphas_initializer_range", alphasInitializerRange),
            ("alpha_type", alphaType),
            ("cross_layer_interval", crossLayerInterval),
            ("qk_layer_norms", qkLayerNorms),
            ("use_resampler", useResampler),
            ("initializer_range", initializerRange),
            ("dropout", dropout),
            ("freeze_text_layers", freezeTextLayers),
            ("freeze_lm_head", freezeLmHead),
            ("freeze_vision_layers", freezeVisionLayers),
            ("pad_token_id", padTokenId),
            ("bos_token_id", bosTokenId),
            ("eos_token_id", eosTokenIds.count == 1 ? eosTokenIds[0] as any JSONText : eosTokenIds),
            ("tie_word_embeddings", tieWordEmbeddings),
            ("use_cache", true),
            ("vision_config", visionConfig.json),
            ("perceiver_config", perceiverConfig.json),
        ]
        if numKeyValueHeads != numAttentionHeads { members.append(("num_key_value_heads", numKeyValueHeads)) }
        for (key, names) in [
            ("freeze_text_module_exceptions", freezeTextModuleExceptions),
            ("freeze_vision_module_exceptions", freezeVisionModuleExceptions),
        ] where !names.isEmpty { members.append((key, names)) }
        return Data(JSONObject(members).jsonText.utf8)
    }
}

extension IdeficsVisionConfig {
    fileprivate var json: JSONObject {
        var members: [(String, any JSONText)] = [
            ("model_type", "idefics_vision"),
            ("embed_dim", embedDim),
            ("image_size", imageSize),
            ("patch_size", patchSize),
            ("intermediate_size", intermediateSize),
            ("num_hidden_layers", numHiddenLayers),
            ("num_attention_heads", numAttentionHeads),
            ("num_channels", numChannels),
            ("hidden_act", hiddenAct),
            ("layer_norm_eps", layerNormEps),
        ]
        if !usePreLayerNorm { members.append(("use_pre_layernorm", false)) }
        return JSONObject(members)
    }
}

extension IdeficsPerceiverConfig {
    fileprivate var json: JSONObject {
        JSONObject([
            ("model_type", "idefics_perciever"),  // transformers' own spelling
            ("resampler_n_latents", resamplerNLatents),
            ("resampler_depth", resamplerDepth),
            ("resampler_n_heads", resamplerNHeads),
            ("resampler_head_dim", resamplerHeadDim),
            ("qk_layer_norms_perceiver", qkLayerNormsPerceiver),
        ])
    }
}

extension DType {
    /// torch's name of this type.
    var torchName: String {
        switch self {
        case .bf16: "bfloat16"
        case .f16: "float16"
        default: "float32"
        }
    }
}

// MARK: - JSON text

/// A value as JSON text.
///
/// Foundation's writers drop the point of whole floats, and transformers 5 then refuses them.
private protocol JSONText {
    var jsonText: String { get }
}

extension Int: JSONText {
    fileprivate var jsonText: String { "\(self)" }
}

extension Bool: JSONText {
    fileprivate var jsonText: String { "\(self)" }
}

extension Float: JSONText {
    fileprivate var jsonText: String { "\(self)" }
}

extension String: JSONText {
    fileprivate var jsonText: String {
        let data = try? JSONEncoder().encode(self)
        return data.map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}

extension Array: JSONText where Element: JSONText {
    fileprivate var jsonText: String { "[\(map(\.jsonText).joined(separator: ", "))]" }
}

/// An object with its members in order.
private struct JSONObject: JSONText {
    let members: [(String, any JSONText)]

    init(_ members: [(String, any JSONText)]) { self.members = members }

    var jsonText: String {
        let lines = members.map { "\($0.0.jsonText): \($0.1.jsonText)".replacing("\n", with: "\n  ") }
        return "{\n  " + lines.joined(separator: ",\n  ") + "\n}"
    }
}
