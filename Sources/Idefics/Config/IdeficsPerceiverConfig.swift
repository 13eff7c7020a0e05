// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// The perceiver resampler; `perceiver_config` of `config.json`.
///
/// Whether there is one, the top level decides.
public struct IdeficsPerceiverConfig: Sendable, Equatable {
    /// Latents an image becomes.
    public var resamplerNLatents = 64
    /// Blocks.
    public var resamplerDepth = 6
    /// Heads.
    public var resamplerNHeads = 16
    /// Floats of a head; heads times this need not be the vision width.
    public var resamplerHeadDim = 96
    /// Whether queries and keys are normalized (layer norm with bias).
    public var qkLayerNormsPerceiver = false

    /// transformers' defaults.
    public init() {}

    /// Width of the attention inside a block.
    public var innerSize: Int { resamplerNHeads * resamplerHeadDim }

    /// Reads the nested object, else the same keys at the top, where early revisions kept them.
    init(nested: KeyedDecodingContainer<JSONKey>?, flat: KeyedDecodingContainer<JSONKey>) throws {
        let json = nested ?? flat
        try json.read("resampler_n_latents", into: &resamplerNLatents)
        try json.read("resampler_depth", into: &resamplerDepth)
        try json.read("resampler_n_heads", into: &resamplerNHeads)
        try json.read("resampler_head_dim", into: &resamplerHeadDim)
        try json.read("qk_layer_norms_perceiver", into: &qkLayerNormsPerceiver)
    }
}
