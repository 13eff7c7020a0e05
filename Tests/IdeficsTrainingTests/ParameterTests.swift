// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTraining
import Testing

@Suite struct ParameterTests {
    private func golden(_ fixture: String) throws -> [String: Any] {
        try #require(
            JSONSerialization.jsonObject(with: Fixtures.data("\(fixture)/golden/golden.json")) as? [String: Any]
        )
    }

    /// What transformers 4.57 leaves trainable of each fixture.
    @Test(arguments: ["f1-resampler-qk", "f2-plain-vector", "f3-noqk-noextra", "f4-bin-noresampler-qk"])
    func freezeFlagsAreTransformers(fixture: String) throws {
        let expected = try #require(golden(fixture)["trainable"] as? [String])
        let found = try FullParameters(directory: Fixtures.url(fixture)).parameters.map(\.name)
        #expect(Set(found) == Set(expected))
        #expect(found == found.sorted())
    }

    @Test func patternsAddAndTakeAway() throws {
        let directory = Fixtures.url("f1-resampler-qk")
        let plain = try FullParameters(directory: directory).parameters.map(\.name)
        let patterns = try FullParameters(
            directory: directory,
            patterns: ParameterConfig(
                train: ["lm_head.*", "model.layers.1.*"],
                freeze: ["*.alpha_*", "*.layers.1.mlp.*"]
            )
        ).parameters.map(\.name)
        #expect(patterns.contains("lm_head.weight") && !plain.contains("lm_head.weight"))
        #expect(patterns.contains("model.layers.1.self_attn.q_proj.weight"))
        #expect(!patterns.contains("model.layers.1.mlp.up_proj.weight"))
        #expect(!patterns.contains { $0.contains("alpha") } && plain.contains { $0.contains("alpha") })
        for wrong in [
            ParameterConfig(train: ["lm_haed.*"]), ParameterConfig(freeze: ["x"]), ParameterConfig(freeze: ["*"]),
        ] {
            #expect(throws: TrainingError.self) { try FullParameters(directory: directory, patterns: wrong) }
        }
    }

    @Test func moduleExceptionsAreTorchsClasses() throws {
        var config = try ModelFiles(directory: Fixtures.url("f1-resampler-qk")).config()
        let names = IdeficsModel.parameters(of: config).map(\.name)
        config.freezeTextModuleExceptions = ["LayerNorm", "Linear"]
        config.freezeVisionModuleExceptions = ["LayerNorm"]
        let trained = try FreezeRules(config, ParameterConfig()).trained(of: names)
        #expect(trained.contains("model.layers.0.mlp.gate_proj.weight"))
        #expect(!trained.contains("model.layers.0.input_layernorm.weight"))
        #expect(trained.contains("model.vision_model.encoder.layers.0.layer_norm1.bias"))
        #expect(!trained.contains("model.vision_model.encoder.layers.0.mlp.fc1.weight"))
        config.freezeTextModuleExceptions = ["RMSNorm"]
        #expect(throws: TrainingError.self) { try FreezeRules(config, ParameterConfig()) }
    }

    /// A model that was not trained is written as it was, and as what transformers reads.
    @Test func exportWritesTheWholeModel() throws {
        let folder = try TemporaryFolder()
        let source = Fixtures.url("f7-e2e")
        let trainable = try FullParameters(directory: source)
        let values = Dictionary(
            uniqueKeysWithValues: zip(trainable.parameters.map(\.name), try trainable.initialValues(seed: 0))
        )
        let staged = try StagedDirectory(folder.url.appending(path: "model"))
        try trainable.export(values, to: staged)
        try staged.commit()
        let (before, after) = try (
            Checkpoint(directory: source), Checkpoint(directory: folder.url.appending(path: "model"))
        )
        #expect(after.tensorNames.count > 50)
        for name in after.tensorNames {
            let (a, b) = try (before.tensor(named: name), after.tensor(named: name))
            #expect(a.dtype == b.dtype && a.withUnsafeBytes(Array.init) == b.withUnsafeBytes(Array.init))
        }
        _ = try ModelContainer(directory: folder.url.appending(path: "model"))
    }

    /// Four steps through the trainer's own parts against torch's AdamW and clipping.
    @Test(arguments: ["f1-resampler-qk", "f2-plain-vector", "f3-noqk-noextra", "f4-bin-noresampler-qk"])
    func stepsAreTorchs(fixture: String) throws {
        let adamW = try #require(golden(fixture)["adamw"] as? [String: Any])
        let losses = try #require(adamW["losses"] as? [Double])
        let norms = try #require(adamW["grad_norms"] as? [Double])
        let trainable = try FullParameters(directory: Fixtures.url(fixture))
        var config = TrainingConfig()
        config.noDecay = []
        var store = try ReplicatedParameters(trainable, config: config)
        let batch = try Self.batch(fixture)
        for step in 0..<4 {
            let found = try StepGradients(
                [batch],
                of: trainable,
                in: &store,
                pass: TrainingPass(),
                seed: 0,
                firstMicroBatch: 0
            )
            #expect(abs(found.loss - losses[step]) < 2e-4)
            #expect(abs(found.norm - norms[step]) < 2e-3)
            store.step(
                OptimizerStep(learningRate: 1e-2, gradientScale: min(1, 1 / (found.norm + 1e-6)), number: step + 1)
            )
        }
    }

    /// However rows lie in micro-batches, loss and z-loss are means over the whole step; one part has no target at all.
    @Test func partsOfAStepAddUp() throws {
        let fixture = "f1-resampler-qk"
        let trainable = try FullParameters(directory: Fixtures.url(fixture))
        let store = try ReplicatedParameters(trainable, config: TrainingConfig())
        let whole = try Self.batch(fixture)
        let shape = whole.labels.shape
        let (rows, columns) = (shape[0], shape[1])
        try #require(rows > 1)
        // Row 0 keeps three targets, so that rows of the z-loss and targets are shared out differently.
        var labels = try #require(whole.labels.intArray())
        for index in labels.indices where index % columns > 3 || index >= columns { labels[index] = -100 }
        func batch(_ range: Range<Int>) throws -> TrainingBatch {
            guard case .pixelValues(let pixels) = whole.inputs.images else { throw CancellationError() }
            return TrainingBatch(
                inputs: IdeficsInputs(
                    inputIds: whole.inputs.inputIds[range],
                    attentionMask: whole.inputs.attentionMask.map { $0[range] },
                    imageAttentionMask: whole.inputs.imageAttentionMask[range],
                    images: .pixelValues(pixels[range])
                ),
                labels: Tensor(
                    Array(labels[range.lowerBound * columns..<range.upperBound * columns]),
                    shape: [range.count, columns]
                ),
                tokenCount: 0,
                imageCount: 0,
                targetCount: 0
            )
        }
        func step(_ ranges: [Range<Int>], _ zLossWeight: Float) throws -> (StepGradients, [Tensor?]) {
            var store = store
            let found = try StepGradients(
                ranges.map(batch),
                of: trainable,
                in: &store,
                pass: TrainingPass(zLossWeight: zLossWeight, zLossExcludedIds: [4]),
                seed: 0,
                firstMicroBatch: 0
            )
            return (found, store.gradients)
        }
        for weight in [Float(0), 0.5] {
            let (one, oneGradients) = try step([0..<rows], weight)
            let (parts, partGradients) = try step((0..<rows).map { $0..<$0 + 1 }, weight)
            #expect(abs(one.loss - parts.loss) <= 1e-6 * one.loss && abs(one.zLoss - parts.zLoss) <= 1e-6 * one.zLoss)
            #expect(one.loss > 0 && one.zLoss > 0)
            #expect(abs(one.norm - parts.norm) <= 1e-6 * one.norm)
            for (a, b) in zip(oneGradients, partGradients) {
                let (a, b) = (a?.floatArray() ?? [], b?.floatArray() ?? [])
                let largest = a.reduce(0) { max($0, abs($1)) }
                #expect(
                    a.count == b.count
                        && zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * largest + 1e-6 * Float(one.norm) }
                )
            }
        }
    }

    private static func batch(_ fixture: String) throws -> TrainingBatch {
        let file = try SafetensorsFile(Fixtures.url("\(fixture)/golden/train.safetensors"))
        let labels = try file.tensor(named: "in.labels")
        return TrainingBatch(
            inputs: IdeficsInputs(
                inputIds: try file.tensor(named: "in.input_ids"),
                attentionMask: file.contains("in.attention_mask") ? try file.tensor(named: "in.attention_mask") : nil,
                imageAttentionMask: try file.tensor(named: "in.image_attention_mask"),
                images: .pixelValues(try file.tensor(named: "in.pixel_values"))
            ),
            labels: labels,
            tokenCount: labels.count,
            imageCount: 0,
            targetCount: 1
        )
    }
}
