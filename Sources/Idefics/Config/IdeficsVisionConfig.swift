// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// The vision tower: a CLIP vision transformer; `vision_config` of `config.json`.
public struct IdeficsVisionConfig: Sendable, Equatable {
    /// Width (also read as `hidden_size`).
    public var embedDim = 768
    /// Height and width of an image in pixels.
    public var imageSize = 224
    /// Height and width of a patch in pixels.
    public var patchSize = 14
    /// Width of the feed-forward networks.
    public var intermediateSize = 5120
    /// Layers.
    public var numHiddenLayers = 32
    /// Heads.
    public var numAttentionHeads = 16
    /// Colors.
    public var numChannels = 3
    /// Activation of the feed-forward networks: `gelu` (exact), `quick_gelu`, `relu` or `silu`.
    public var hiddenAct = "gelu"
    /// Added to variances.
    public var layerNormEps: Float = 1e-5
    /// Whether a layer norm (`pre_layrnorm`) stands before the first layer, as in CLIP.
    ///
    /// An extension: `false` makes the tower a plain pre-norm ViT such as DINOv2. transformers has no such key and
    /// always norms, and a checkpoint without the key means the same here.
    public var usePreLayerNorm = true

    /// transformers' defaults.
    public init() {}

    /// Patches along one side.
    public var patchesPerSide: Int { imageSize / patchSize }
    /// Patches and the class token.
    public var numPositions: Int { patchesPerSide * patchesPerSide + 1 }
    /// Floats of a head.
    public var headDim: Int { embedDim / numAttentionHeads }

    /// Reads the nested object, else the keys that early revisions kept at the top with the prefix `vision_`.
    init(nested: KeyedDecodingContainer<JSONKey>?, flat: KeyedDecodingContainer<JSONKey>) throws {
        let json = nested ?? flat
        let prefix = nested == nil ? "vision_" : ""
        if nested != nil { try json.read("hidden_size", into: &embedDim) }
        try json.read("\(prefix)embed_dim", into: &embedDim)
        try json.read("\(prefix)image_size", into: &imageSize)
        try json.read("\(prefix)patch_size", into: &patchSize)
        try json.read("\(prefix)intermediate_size", into: &intermediateSize)
        try json.read("\(prefix)num_hidden_layers", into: &numHiddenLayers)
        try json.read("\(prefix)num_attention_heads", into: &numAttentionHeads)
        try json.read("\(prefix)num_channels", into: &numChannels)
        try json.read("\(prefix)hidden_act", into: &hiddenAct)
        try json.read("\(prefix)layer_norm_eps", into: &layerNormEps)
        try json.read("\(prefix)use_pre_layernorm", into: &usePreLayerNorm)
    }
}
