// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsTensor

/// The shapes that are measured.
enum BenchArchitecture: String, ExpressibleByArgument, CaseIterable {
    /// `HuggingFaceM4/idefics-9b`.
    case idefics9b = "idefics-9b"
    /// `HuggingFaceM4/idefics-80b`.
    case idefics80b = "idefics-80b"
    /// The decoder of the 9B alone, for comparison with programs that run language models: no images, no gated blocks.
    case llama7b = "llama-7b"

    /// Decoder layers of the whole model.
    var layerCount: Int { self == .idefics80b ? 80 : 32 }

    /// Whether the model sees images.
    var hasImages: Bool { self != .llama7b }

    /// Gates of random models before their tanh: open, or closed where there should be no gated blocks.
    var gate: Float { hasImages ? 0.5 : 0 }

    /// The number of layers must be a multiple of this.
    var layerStep: Int { hasImages ? 4 : 1 }

    /// The configuration with `layers` decoder layers.
    ///
    /// The language model has one gated block, since there is always one before the first layer; its gates are closed,
    /// so that it is not run.
    func config(layers: Int) -> IdeficsConfig {
        var config = IdeficsConfig()
        config.numHiddenLayers = layers
        config.crossLayerInterval = hasImages ? 4 : layers
        config.qkLayerNorms = true
        config.useResampler = true
        config.visionConfig.embedDim = 1280
        config.perceiverConfig.qkLayerNormsPerceiver = true
        switch self {
        case .idefics9b:
            config.additionalVocabSize = 2
        case .idefics80b:
            config.additionalVocabSize = 2
            config.hiddenSize = 8192
            config.intermediateSize = 22_016
            config.numAttentionHeads = 64
            config.numKeyValueHeads = 64
            config.rmsNormEps = 1e-5
        case .llama7b:
            config.useResampler = false
            config.visionConfig.numHiddenLayers = 0
        }
        return config
    }
}

/// How the matrices of a random model are stored: dense, or in a quantized format.
struct BenchFormat: ExpressibleByArgument {
    /// Type of what is not quantized.
    let dtype: DType
    /// nil for dense matrices.
    let format: QuantizedTensor.Format?

    static let bf16 = BenchFormat(dtype: .bf16, format: nil)
    private static let f32 = BenchFormat(dtype: .f32, format: nil)
    private static let dense = [f32, bf16]

    private init(dtype: DType, format: QuantizedTensor.Format?) {
        self.dtype = dtype
        self.format = format
    }

    init?(argument: String) {
        if let format = QuantizedTensor.Format(rawValue: argument) {
            self.init(dtype: .bf16, format: format)
        } else if let dense = Self.dense.first(where: { $0.name == argument }) {
            self = dense
        } else {
            return nil
        }
    }

    /// As it is typed and reported.
    var name: String { format?.rawValue ?? dtype.rawValue }
    var defaultValueDescription: String { name }
    static let allValueStrings = dense.map(\.name) + QuantizedTensor.Format.allCases.map(\.rawValue)
}
