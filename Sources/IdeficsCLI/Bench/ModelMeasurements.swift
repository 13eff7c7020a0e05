// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsTensor

/// Parts of IDEFICS-9B with random weights, end to end.
enum ModelMeasurements {
    /// The configuration of `HuggingFaceM4/idefics-9b` with fewer decoder layers.
    static func config(layers: Int) -> IdeficsConfig {
        var config = IdeficsConfig()
        config.numHiddenLayers = layers
        config.crossLayerInterval = 4
        config.additionalVocabSize = 2
        config.qkLayerNorms = true
        config.useResampler = true
        config.visionConfig.embedDim = 1280
        config.perceiverConfig.qkLayerNormsPerceiver = true
        return config
    }

    /// One image through CLIP-H: 32 layers, 1280 wide, 257 positions.
    static func image(_ dtype: DType) -> Measurement {
        let config = config(layers: 0).visionConfig
        let tokens = Double(config.numPositions)
        let width = Double(config.embedDim)
        let perLayer = 2 * tokens * (4 * width * width + 2 * width * Double(config.intermediateSize))
        let attention = 4 * tokens * tokens * width
        let patches = 2 * (tokens - 1) * width * Double(3 * config.patchSize * config.patchSize)
        return Measurement(
            name: "CLIP-H image, \(dtype) weights",
            bound: .compute,
            work: Double(config.numHiddenLayers) * (perLayer + attention) + patches
        ) {
            let tower = VisionTransformer(config, RandomWeights(dtype).weights)
            let pixels = RandomWeights(.f32).tensor([1, 3, config.imageSize, config.imageSize])
            return { _ = try tower(pixels) }
        }
    }
}
