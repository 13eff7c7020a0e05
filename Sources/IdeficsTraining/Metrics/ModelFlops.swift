// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsCheckpoints
import IdeficsTensor

/// Operations that products of a model's weights take in training; a multiply-add counts two.
///
/// A token goes through every matrix of the decoder, an image position through every matrix of the vision tower, an
/// image token through the resampler. Forward 2 operations a weight; back through the decoder 2 more for the gradient of
/// the input and 2 for the gradient of each weight that is trained. Attention scores, norms and what checkpointing
/// computes again are not counted, so the utilisation is what useful products make of the peak.
struct ModelFlops: Sendable, Equatable {
    /// Operations for each token.
    let perToken: Double
    /// Operations for each image.
    let perImage: Double

    init(_ config: IdeficsConfig, trained: [TrainableParameter]) {
        // Modules trained in full beside adapters have PEFT's names; the adapters' own products count for nothing.
        let names = Set(trained.map { String($0.name.trimmingPrefix(LoRAAdapter.prefix)) })
        var (decoder, image) = (0.0, 0.0)
        for parameter in IdeficsModel.parameters(of: config) where parameter.shape.count >= 2 {
            // Tables are looked up, not multiplied; a tied head is multiplied.
            let isTable = parameter.name.contains("embed_tokens") && !config.tieWordEmbeddings
            guard !isTable, !parameter.name.contains("position_embedding") else { continue }
            let weights = Double(parameter.shape.reduce(1, *))
            let isTrained = names.contains(parameter.name)
            if parameter.name.hasPrefix("model.vision_model.") {
                image += weights * Double(config.visionConfig.numPositions) * (isTrained ? 6 : 2)
            } else if parameter.name.hasPrefix("model.perceiver_resampler.") {
                image += weights * Double(config.imageTokens) * (isTrained ? 6 : 4)
            } else {
                decoder += weights * (isTrained ? 6 : 4)
            }
        }
        (perToken, perImage) = (decoder, image)
    }
}
