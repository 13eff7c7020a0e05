// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
public import IdeficsTensor

/// What may be chosen when two backbones become an IDEFICS; the defaults are the 9B's.
public struct InitializationOptions: Sendable {
    /// Layers of the vision tower to keep, from its input; nil for all.
    public var visionLayers: Int?
    /// Height and width of images in pixels, to which the position embedding is resized; nil for the model's own.
    public var imageSize: Int?
    /// A gated block precedes every layer whose index is a multiple of this.
    public var crossLayerInterval = 4
    /// Whether queries and keys of the cross-attention are normalized.
    public var qkLayerNorms = true
    /// `zeros`, `ones` or `normal`: how gates begin.
    public var alphaInitializer = "zeros"
    /// Standard deviation of gates that begin `normal`.
    public var alphasInitializerRange: Float = 0
    /// `float` or `vector`: one gate for a branch, or one for each channel.
    public var alphaType = "float"
    /// Whether a resampler compresses the image features.
    public var useResampler = true
    /// The resampler, when there is one.
    public var perceiver: IdeficsPerceiverConfig
    /// Whether `<end_of_utterance>` is added to the vocabulary, the third token of instruct models.
    public var addsEndOfUtterance = false
    /// Whether grouped key and value heads are repeated so that each query head has its own.
    ///
    /// Larger and slower, with the same outputs; transformers' IDEFICS knows no groups and needs it.
    public var expandsKeyValueHeads = false
    /// How weights are stored.
    public var dtype = DType.bf16
    /// Decides all new parameters.
    public var seed: UInt64 = 0
    /// A file of weights takes no more bytes, unless one tensor alone does.
    public var shardByteCount = CheckpointWriter.defaultShardByteCount

    /// The defaults.
    public init() {
        perceiver = IdeficsPerceiverConfig()
        perceiver.qkLayerNormsPerceiver = true
    }
}
