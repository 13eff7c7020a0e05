// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// Steps in which no token sees an image, after one in which some do: AdamW goes on with all that torch's graph reaches.
@Suite struct StepsWithoutImagesTests {
    private let fixture: TrainingFixture

    init() throws {
        fixture = try TrainingFixture()
        try fixture.folder.write(Array(Self.picture), "a.png")
        try fixture.write(
            [#"{"image": "a.png", "text": "red square"}"#, #"{"text": "plain text only"}"#],
            to: "train.jsonl"
        )
    }

    /// 3 × 5 pixels.
    private static let picture =
        Data(
            base64Encoded:
                "iVBORw0KGgoAAAANSUhEUgAAAAMAAAAFCAIAAAAPE8H1AAAAPUlEQVR4nAEyAM3/AbWsrf75BP8TAAL/AAH8EgAOBgsC+fj6DAQL+vcC"
                + "AgYMCfP5Af4D+wL49f4EAPcE/gwR2xVD8Os5JAAAAABJRU5ErkJggg=="
        ) ?? Data()

    /// The state after `steps` steps, the first of them on the picture.
    private func run(_ steps: Int, _ options: [String], batch: Int = 1) async throws -> (Trainer, ReplicatedParameters)
    {
        let recipe = try fixture.recipe(
            [
                "trainer.maxSteps=\(steps)", "trainer.lrSchedulerType=constant", "data.shuffle=false",
                "trainer.perDeviceTrainBatchSize=\(batch)",
            ] + options,
            output: "run\(UUID().uuidString)"
        )
        let trainer = try fixture.trainer(recipe, trainable: recipe.trainable(of: TrainingFixture.model))
        #expect(try await trainer.run() == .finished)
        return (trainer, try #require(await trainer.state.parameters as? ReplicatedParameters))
    }

    /// Torch 2.13 with transformers 5.23 in f32, eager, torch.optim.AdamW with the same groups, gradients clipped to 1.
    @Test func isWhatTorchGives() async throws {
        let (trainer, state) = try await run(2, [])
        let name = "model.gated_cross_attn_layers.0.cross_attn.q_proj.weight"
        let index = try #require(trainer.trainable.parameters.firstIndex { $0.name == name })
        let found = state.values[index].floatArray().prefix(4)
        let right: [Float] = [-0.11220184, -0.28178442, 0.09417169, 0.04714767]
        #expect(zip(found, right).allSatisfy { abs($0 - $1) < 1e-5 }, "\(Array(found))")
    }

    /// Gradients of zero, by AdamW's formulas: of the model's own parameters and of adapters.
    @Test(arguments: [
        [],
        ["lora.targetModules=[cross_attn.q_proj, cross_attn.v_proj]", "lora.r=2"],
        ["trainer.gradientAccumulationSteps=1", "trainer.maxGradNorm=0", "trainer.weightDecay=0.5"],
    ])
    func momentsDecayAndGoOn(options: [String]) async throws {
        let (trainer, before) = try await run(1, options)
        let (_, after) = try await run(2, options)
        let decay = options.contains("trainer.weightDecay=0.5") ? 0.5 : 0.1
        var checked = 0
        for (index, parameter) in trainer.trainable.parameters.enumerated() {
            guard
                ["cross_attn.", "perceiver_resampler", "additional_embedding"].contains(where: parameter.name.contains),
                case .f32(let first, let second) = before.moments[index]
            else { continue }
            let (values, m, v) = (before.values[index].floatArray(), first.floatArray(), second.floatArray())
            let rate = 1e-2
            let kept = TrainingConfig().isDecayed(parameter.name) ? 1 - rate * decay : 1
            let expected = values.indices.map { element in
                let mean = Double(m[element]) * 0.9 / (1 - 0.9 * 0.9)
                let square = Double(v[element]) * 0.999 / (1 - 0.999 * 0.999)
                return Float(Double(values[element]) * kept - rate * mean / (square.squareRoot() + 1e-8))
            }
            let found = after.values[index].floatArray()
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 }, "\(parameter.name)")
            checked += 1
        }
        #expect(checked >= 4)
    }

    /// The norm behind the vision tower is in no graph: it stays, even where it would be decayed.
    @Test func whatNoLossDependsOnStays() async throws {
        let (trainer, state) = try await run(1, ["parameters.train=[\"*\"]", "trainer.noDecay=[]"])
        let start = try trainer.trainable.initialValues(seed: 42)
        for (index, parameter) in trainer.trainable.parameters.enumerated() {
            let isSame = start[index].floatArray() == state.values[index].floatArray()
            #expect(isSame == parameter.name.contains("post_layernorm"), "\(parameter.name)")
        }
    }
}
