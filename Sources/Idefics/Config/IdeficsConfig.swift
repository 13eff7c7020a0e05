// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// The text side of an IDEFICS model and how images enter it: `config.json` of a checkpoint.
///
/// Property names are the JSON keys of transformers' `IdeficsConfig` in camel case, defaults are its defaults, unknown
/// keys are ignored.
public struct IdeficsConfig: Sendable, Equatable {
    /// Rows of the embedding and head without the added tokens.
    public var vocabSize = 32_000
    /// Added tokens, which follow the vocabulary.
    public var additionalVocabSize = 0
    /// Width of the decoder.
    public var hiddenSize = 4096
    /// Width of the feed-forward networks, decoder layers and gated blocks alike.
    public var intermediateSize = 11_008
    /// Decoder layers.
    public var numHiddenLayers = 32
    /// Query heads of self- and cross-attention.
    public var numAttentionHeads = 32
    /// Key heads of the self-attention; fewer than `numAttentionHeads` with grouped queries (an extension; IDEFICS'
    /// own checkpoints have as many).
    public var numKeyValueHeads = 32
    /// Activation of the feed-forward networks; only `silu` is known.
    public var hiddenAct = "silu"
    /// Added to mean squares in all root-mean-square norms.
    public var rmsNormEps: Float = 1e-6
    /// Length the model was made for; nothing depends on it.
    public var maxPositionEmbeddings = 2048
    /// Base of the rotary embedding.
    public var ropeTheta: Float = 10_000
    /// How gates are initialized when training starts.
    public var alphaInitializer = "zeros"
    /// Standard deviation of randomly initialized gates.
    public var alphasInitializerRange: Float = 0
    /// `float` (one gate for a block's branch) or `vector` (one for each channel).
    public var alphaType = "float"
    /// A gated block precedes every layer whose index is a multiple of this.
    public var crossLayerInterval = 1
    /// Whether queries and keys of the cross-attention are normalized.
    public var qkLayerNorms = false
    /// Whether a perceiver resampler compresses the image features.
    public var useResampler = false
    /// Standard deviation of new weights.
    public var initializerRange: Float = 0.02
    /// Dropout of attention and branches in training.
    public var dropout: Float = 0
    /// Training: freeze the decoder and its embedding.
    public var freezeTextLayers = true
    /// Training: module classes of torch (`Linear`, `LayerNorm`, `Embedding`) that `freezeTextLayers` leaves trainable.
    public var freezeTextModuleExceptions: [String] = []
    /// Training: freeze the head.
    public var freezeLmHead = false
    /// Training: freeze the vision tower.
    public var freezeVisionLayers = true
    /// Training: module classes of torch that `freezeVisionLayers` leaves trainable.
    public var freezeVisionModuleExceptions: [String] = []
    /// Id of the padding token.
    public var padTokenId = 0
    /// Id of the token that begins a text.
    public var bosTokenId = 1
    /// Ids of the tokens that end a text.
    public var eosTokenIds = [2]
    /// Whether the head shares the embedding's weights.
    public var tieWordEmbeddings = false
    /// The vision tower.
    public var visionConfig = IdeficsVisionConfig()
    /// The resampler.
    public var perceiverConfig = IdeficsPerceiverConfig()

    /// transformers' defaults.
    public init() {}

    /// Floats of a head.
    public var headDim: Int { hiddenSize / numAttentionHeads }
    /// Gated cross-attention blocks.
    public var numGatedLayers: Int { numHiddenLayers / crossLayerInterval }
    /// Columns of the logits: the vocabulary and the added tokens.
    public var totalVocabSize: Int { vocabSize + additionalVocabSize }
    /// Tokens with which an image appears in the cross-attention.
    public var imageTokens: Int { useResampler ? perceiverConfig.resamplerNLatents : visionConfig.numPositions }
}

extension IdeficsConfig: Decodable {
    /// Reads `config.json`, also of the earliest revisions, whose vision and resampler keys lie at the top.
    public init(from decoder: any Decoder) throws {
        let json = try decoder.container(keyedBy: JSONKey.self)
        self.init()
        try json.read("vocab_size", into: &vocabSize)
        try json.read("additional_vocab_size", into: &additionalVocabSize)
        try json.read("hidden_size", into: &hiddenSize)
        try json.read("intermediate_size", into: &intermediateSize)
        try json.read("num_hidden_layers", into: &numHiddenLayers)
        try json.read("num_attention_heads", into: &numAttentionHeads)
        numKeyValueHeads = numAttentionHeads
        try json.read("num_key_value_heads", into: &numKeyValueHeads)
        try json.read("hidden_act", into: &hiddenAct)
        try json.read("rms_norm_eps", into: &rmsNormEps)
        try json.read("max_position_embeddings", into: &maxPositionEmbeddings)
        try json.read("rope_theta", into: &ropeTheta)
        try json.readRope(into: &ropeTheta)
        try json.read("alpha_initializer", into: &alphaInitializer)
        try json.read("alphas_initializer_range", into: &alphasInitializerRange)
        try json.read("alpha_type", into: &alphaType)
        try json.read("cross_layer_interval", into: &crossLayerInterval)
        try json.read("qk_layer_norms", into: &qkLayerNorms)
        try json.read("use_resampler", into: &useResampler)
        try json.read("initializer_range", into: &initializerRange)
        try json.read("dropout", into: &dropout)
        try json.read("freeze_text_layers", into: &freezeTextLayers)
        try json.read("freeze_text_module_exceptions", into: &freezeTextModuleExceptions)
        try json.read("freeze_lm_head", into: &freezeLmHead)
        try json.read("freeze_vision_layers", into: &freezeVisionLayers)
        try json.read("freeze_vision_module_exceptions", into: &freezeVisionModuleExceptions)
        try json.read("pad_token_id", into: &padTokenId)
        try json.read("bos_token_id", into: &bosTokenId)
        if let ids = try json.oneOrMany("eos_token_id") { eosTokenIds = ids }
        try json.read("tie_word_embeddings", into: &tieWordEmbeddings)
        visionConfig = try IdeficsVisionConfig(nested: json.object("vision_config"), flat: json)
        perceiverConfig = try IdeficsPerceiverConfig(nested: json.object("perceiver_config"), flat: json)
    }
}
