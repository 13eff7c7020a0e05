// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsCheckpoints
import IdeficsTraining
import Testing

@Suite struct ModelFlopsTests {
    /// Weights of each part, by hand: hidden 32, 4 layers, a gated block before every second.
    private var config: IdeficsConfig {
        var config = IdeficsConfig()
        config.vocabSize = 100
        config.additionalVocabSize = 0
        config.hiddenSize = 32
        config.intermediateSize = 48
        config.numHiddenLayers = 4
        config.numAttentionHeads = 4
        config.numKeyValueHeads = 4
        config.crossLayerInterval = 2
        config.useResampler = false
        config.visionConfig.embedDim = 16
        config.visionConfig.intermediateSize = 24
        config.visionConfig.numHiddenLayers = 2
        config.visionConfig.numAttentionHeads = 2
        config.visionConfig.imageSize = 8
        config.visionConfig.patchSize = 4
        return config
    }

    private let layer = 4.0 * 32 * 32 + 3 * 32 * 48
    private let gatedForTokens = 2.0 * 32 * 32 + 3 * 32 * 48
    private let gatedForImages = 2.0 * 32 * 16
    private let head = 32.0 * 100
    private let patches = 16.0 * 3 * 4 * 4
    private let visionLayer = 4.0 * 16 * 16 + 2 * 16 * 24

    private func flops(_ trained: [String]) -> ModelFlops {
        let shapes = IdeficsModel.parameters(of: config)
        return ModelFlops(
            config,
            trained: trained.map { name in
                TrainableParameter(name: name, shape: shapes.first { $0.name == name }?.shape ?? [4, 32])
            }
        )
    }

    /// Trained in the third decoder layer: gradients flow from there on, not below.
    @Test func countsWhatLiesBehindTheFirstTrainedParameter() {
        let found = flops(["model.layers.2.self_attn.q_proj.weight"])
        let below = 2 * (2 * layer + 2 * gatedForTokens)
        let above = 4 * (2 * layer + head) + 2 * 32 * 32
        #expect(found.perToken == below + above)
        #expect(found.perImage == 2 * (5 * (patches + 2 * visionLayer) + 5 * 2 * gatedForImages))
    }

    /// An adapter in the vision tower: its own weights do not count, everything behind it takes the way back.
    @Test func adaptersTakeTheWayBack() {
        let found = flops(["base_model.model.model.vision_model.encoder.layers.1.self_attn.q_proj.lora_A.weight"])
        #expect(found.perToken == 4 * (4 * layer + 2 * gatedForTokens + head))
        #expect(found.perImage == 5 * (2 * (patches + visionLayer) + 4 * visionLayer + 4 * 2 * gatedForImages))
    }
}
