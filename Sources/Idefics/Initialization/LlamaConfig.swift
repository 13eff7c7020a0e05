// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// What IDEFICS needs to know of a pretrained language model: `config.json` of transformers' `LlamaForCausalLM`.
struct LlamaConfig: Decodable {
    /// Model types whose decoder is Llama's, tensor by tensor and operation by operation.
    static let modelTypes = ["llama", "mistral"]

    var vocabSize = 32_000
    var hiddenSize = 4096
    var intermediateSize = 11_008
    var numHiddenLayers = 32
    var numAttentionHeads = 32
    var numKeyValueHeads = 32
    var rmsNormEps: Float = 1e-6
    var maxPositionEmbeddings = 2048
    var ropeTheta: Float = 10_000
    var tieWordEmbeddings = false
    var bosTokenId: Int?
    var eosTokenIds: [Int] = []
    var padTokenId: Int?

    init(from decoder: any Decoder) throws {
        let json = try decoder.container(keyedBy: JSONKey.self)
        var modelType = ""
        try json.read("model_type", into: &modelType)
        guard Self.modelTypes.contains(modelType) else {
            throw ConfigProblem(
                "model_type",
                "\"\(modelType)\" is no Llama: \(Self.modelTypes.joined(separator: " and ")) are supported"
            )
        }
        try json.read("vocab_size", into: &vocabSize)
        try json.read("hidden_size", into: &hiddenSize)
        try json.read("intermediate_size", into: &intermediateSize)
        try json.read("num_hidden_layers", into: &numHiddenLayers)
        try json.read("num_attention_heads", into: &numAttentionHeads)
        // Mistral's default is 8 key heads, Llama's as many as queries; both write the key since they have it.
        numKeyValueHeads = numAttentionHeads
        try json.read("num_key_value_heads", into: &numKeyValueHeads)
        try json.read("rms_norm_eps", into: &rmsNormEps)
        try json.read("max_position_embeddings", into: &maxPositionEmbeddings)
        try json.readRope(into: &ropeTheta)
        try json.read("tie_word_embeddings", into: &tieWordEmbeddings)
        bosTokenId = try json.decodeIfPresent(Int.self, forKey: JSONKey("bos_token_id"))
        eosTokenIds = try json.oneOrMany("eos_token_id") ?? []
        padTokenId = try json.decodeIfPresent(Int.self, forKey: JSONKey("pad_token_id")).flatMap { $0 < 0 ? nil : $0 }
        for (key, value) in [
            ("vocab_size", vocabSize), ("hidden_size", hiddenSize), ("intermediate_size", intermediateSize),
            ("num_attention_heads", numAttentionHeads), ("num_key_value_heads", numKeyValueHeads),
        ] { try ConfigProblem.requireSize(key, value) }
        try ConfigProblem.require("num_hidden_layers", numHiddenLayers, in: 0...ConfigProblem.maximumDepth)
        try refuse(json)
    }

    /// Refuses what would change the outputs and has no place in IDEFICS.
    private func refuse(_ json: KeyedDecodingContainer<JSONKey>) throws {
        var activation = "silu"
        try json.read("hidden_act", into: &activation)
        guard activation == "silu" else { throw ConfigProblem("hidden_act", "\"\(activation)\": IDEFICS has silu") }
        for key in ["attention_bias", "mlp_bias"] {
            var hasBias = false
            try json.read(key, into: &hasBias)
            guard !hasBias else { throw ConfigProblem(key, "true: IDEFICS' decoder has no biases") }
        }
        if let headDim = try json.decodeIfPresent(Int.self, forKey: JSONKey("head_dim")),
            headDim != hiddenSize / numAttentionHeads
        {
            throw ConfigProblem("head_dim", "\(headDim): heads times head_dim must be hidden_size, \(hiddenSize)")
        }
        if let window = try json.decodeIfPresent(Int.self, forKey: JSONKey("sliding_window")),
            window < maxPositionEmbeddings
        {
            throw ConfigProblem("sliding_window", "\(window): IDEFICS attends to everything before")
        }
    }
}
