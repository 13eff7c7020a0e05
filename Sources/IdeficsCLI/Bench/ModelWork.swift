// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics

/// Operations that parts of a model cannot do without, a multiply-add counting two: matrix products and attention.
struct ModelWork {
    let config: IdeficsConfig

    /// One image through the vision tower.
    var tower: Double {
        let config = config.visionConfig
        let tokens = Double(config.numPositions)
        let width = Double(config.embedDim)
        let perLayer = 2 * tokens * (4 * width * width + 2 * width * Double(config.intermediateSize))
        let attention = 4 * tokens * tokens * width
        let patches = 2 * (tokens - 1) * width * Double(config.numChannels * config.patchSize * config.patchSize)
        return Double(config.numHiddenLayers) * (perLayer + attention) + patches
    }

    /// The features of one image through the resampler.
    var resampler: Double {
        let (width, inner) = (Double(config.visionConfig.embedDim), Double(config.perceiverConfig.innerSize))
        let latents = Double(config.perceiverConfig.resamplerNLatents)
        let keys = latents + Double(config.visionConfig.numPositions)
        let projections = 2 * width * inner * (2 * latents + 2 * keys)
        let network = 2 * latents * 8 * width * width
        return Double(config.perceiverConfig.resamplerDepth) * (projections + network + 4 * latents * keys * inner)
    }

    /// A prompt of `tokens` tokens that all see `images` images, which are encoded already; keys and values of the
    /// images are counted, of the head one row.
    ///
    /// - Parameters:
    ///   - tokens: of the prompt.
    ///   - images: seen by every token.
    ///   - isGated: whether gates are open.
    /// - Returns: operations.
    func prompt(tokens: Int, images: Int, isGated: Bool) -> Double {
        let (rows, hidden) = (Double(tokens), Double(config.hiddenSize))
        let network = 2 * rows * 3 * hidden * Double(config.intermediateSize)
        let kvWidth = Double(config.numKeyValueHeads * config.headDim)
        let projections = 2 * rows * hidden * (2 * hidden + 2 * kvWidth)
        let attention = 2 * rows * (rows + 1) * hidden
        let decoder = Double(config.numHiddenLayers) * (projections + network + attention)
        let imageTokens = Double(images * config.imageTokens)
        let imageKeysValues = 2 * imageTokens * Double(config.visionConfig.embedDim) * 2 * hidden
        let crossAttention =
            images == 0 ? 0 : 2 * rows * 2 * hidden * hidden + 4 * rows * imageTokens * hidden + imageKeysValues
        let gated = isGated ? Double(config.numGatedLayers) * (network + crossAttention) : 0
        return decoder + gated + 2 * hidden * Double(config.totalVocabSize)
    }
}
