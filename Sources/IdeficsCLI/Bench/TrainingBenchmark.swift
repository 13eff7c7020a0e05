// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTensor
import IdeficsTraining

/// Steps of training on one sequence, with everything a step of `idefics finetune` does but reading the data.
final class TrainingBenchmark {
    private let trainable: any TrainableParameters
    private let images: Int
    private let pass: TrainingPass
    private let config: TrainingConfig
    private var parameters: ReplicatedParameters
    private var updates = 0
    private let memory: FreedMemoryRequest
    /// Of a step, by its tokens.
    private var operations: [Int: Double] = [:]
    private let random = RandomWeights(.f32)

    /// Training of the model in `directory`: with adapters of `loraRank` on queries, keys and values, or, if that is 0, of
    /// all that its configuration does not freeze, but for the head.
    ///
    /// - Parameters:
    ///   - directory: the checkpoint.
    ///   - loraRank: 0 for none.
    ///   - images: that every token of a sequence sees.
    ///   - pass: how losses are computed.
    ///   - optim: how moments are held.
    /// - Throws: what reading the checkpoint throws.
    init(directory: URL, loraRank: Int, images: Int, pass: TrainingPass, optim: TrainingConfig.Optimizer) throws {
        var recipe = TrainingRecipe()
        if loraRank > 0 {
            var lora = LoRASettings()
            lora.r = loraRank
            recipe.lora = lora
        } else {
            recipe.parameters.freeze = ["lm_head.weight"]
        }
        trainable = try recipe.trainable(of: directory)
        self.images = images
        self.pass = pass
        var config = TrainingConfig()
        config.optim = optim
        self.config = config
        parameters = try ReplicatedParameters(trainable, config: config)
        memory = Engine.keepFreedMemory(forTraining: trainable, accumulates: false)
    }

    /// Elements of what is trained.
    var trainedElements: Int { trainable.parameters.reduce(0) { $0 + $1.count } }

    /// One step on a sequence of `tokens` tokens.
    func measurement(tokens: Int) -> Measurement {
        Measurement(
            name: "step, \(tokens) tokens",
            bound: pass.precision == .bf16 ? .bf16 : .compute,
            work: self.operations[tokens, default: 0],
            tokens: tokens
        ) { [self] in
            let batch = batch(tokens: tokens)
            return { self.operations[tokens] = try self.step(batch) }
        }
    }

    private func batch(tokens: Int) -> TrainingBatch {
        let config = trainable.config
        var inputs = DecodeBenchmark.inputs(config, tokens: tokens)
        if images > 0 {
            let size = config.visionConfig.imageSize
            inputs.images = .pixelValues(random.tensor([1, images, config.visionConfig.numChannels, size, size]))
            inputs.imageAttentionMask = Tensor(
                Array(repeating: 1, count: tokens * images),
                shape: [1, tokens, images]
            )
        }
        return TrainingBatch(
            inputs: inputs,
            labels: inputs.inputIds,
            tokenCount: tokens,
            imageCount: images,
            targetCount: tokens - 1
        )
    }

    /// Makes a step.
    ///
    /// - Returns: operations of its products.
    private func step(_ batch: TrainingBatch) throws -> Double {
        let result = try StepGradients(
            [batch],
            of: trainable,
            in: &parameters,
            pass: pass,
            seed: config.seed,
            firstMicroBatch: 0
        )
        guard result.loss.isFinite, result.norm.isFinite, result.norm > 0 else {
            throw CommandError("a step's loss is \(result.loss) and the norm of its gradient \(result.norm)")
        }
        updates += 1
        parameters.step(
            OptimizerStep(
                learningRate: config.learningRate,
                gradientScale: config.gradientScale(norm: result.norm),
                number: updates
            )
        )
        return result.operations
    }
}
