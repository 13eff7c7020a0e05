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

@Suite struct ParameterStoreTests {
    /// What every parameter is stepped with, resolved once; the multipliers of all patterns that match are multiplied.
    @Test func groupsAreResolvedOnce() {
        var config = TrainingConfig()
        config.weightDecay = 0.3
        config.noDecay = ["bias"]
        config.learningRateMultipliers = ["b*": 4, "*.bias": 0.5, "none": 7]
        let names = ["a.bias", "a.weight", "b.bias", "b.weight", "c.bias"]
        let groups = ParameterGroups(names: names, config: config)
        #expect(groups.groups.count == 4)
        for (index, name) in names.enumerated() {
            #expect(groups[index].learningRateMultiplier == config.learningRateMultiplier(name))
            #expect(groups[index].weightDecay == (name.hasSuffix("bias") ? 0 : 0.3))
        }
        #expect(groups[2].learningRateMultiplier == 2 && groups[4] == groups[0])
    }

    /// The gradient of a micro-batch is complete before it is added, whatever it consists of.
    @Test func microBatchesAreAddedWhole() throws {
        let directory = Fixtures.url("f1-resampler-qk")
        let trainable = try FullParameters(directory: directory, patterns: ParameterConfig(train: ["*"]))
        var store = try ReplicatedParameters(trainable, config: TrainingConfig())
        let batch = try Self.batch(directory)
        // The same examples with other labels.
        let labels = try #require(batch.labels.intArray())
        let batches = (0..<3).map { shift in
            TrainingBatch(
                inputs: batch.inputs,
                labels: Tensor(labels.map { $0 < 0 ? $0 : ($0 + 7 * shift) % 90 }, shape: batch.labels.shape),
                tokenCount: batch.tokenCount,
                imageCount: 0,
                targetCount: batch.targetCount
            )
        }
        var pass = TrainingPass()
        let counts = try batches.map {
            try $0.inputs.lossCounts(labels: $0.labels, config: trainable.config, pass: pass)
        }
        let sum = counts.reduce(0) { $0 + $1.targets }
        pass.counts = LossCounts(targets: sum, zRows: sum)
        var expected: [String: [Float]] = [:]
        for batch in batches {
            let leaves = store.namedValues.mapValues { $0.trainable() }
            let model = try trainable.model(leaves, pass: .inference)
            let found = gradients(of: try model.trainingLoss(batch.inputs, labels: batch.labels, pass: pass).total)
            for (name, leaf) in leaves {
                guard let gradient = found[leaf]?.floatArray() else { continue }
                expected[name] = expected[name].map { zip($0, gradient).map { $0 + $1 } } ?? gradient
            }
        }
        let step = try StepGradients(
            batches,
            of: trainable,
            in: &store,
            pass: TrainingPass(),
            seed: 0,
            firstMicroBatch: 0
        )
        #expect(step.norm > 0 && expected.count > 20)
        for (parameter, gradient) in zip(store.parameters, store.gradients) {
            #expect(gradient?.floatArray() == expected[parameter.name], "\(parameter.name)")
        }
        // A step begins without the gradients of the one before it.
        let again = try StepGradients(
            batches,
            of: trainable,
            in: &store,
            pass: TrainingPass(),
            seed: 0,
            firstMicroBatch: 0
        )
        #expect(again.norm == step.norm && again.loss == step.loss)
    }

    /// Parameters that cannot be read leave a store as it was.
    @Test func aStoreSurvivesADamagedCheckpoint() throws {
        let folder = try TemporaryFolder()
        let trainable = try FullParameters(directory: TrainingFixture.model)
        var store = try ReplicatedParameters(trainable, config: TrainingConfig())
        let staged = try StagedDirectory(folder.url.appending(path: "checkpoint"))
        try store.write(to: staged)
        try staged.commit()
        let place = folder.url.appending(path: "checkpoint")
        #expect(Set(try FileManager.default.contentsOfDirectory(atPath: place.path)) == Set(store.fileNames))
        let before = store.namedValues.mapValues { $0.floatArray() }
        for parameter in store.parameters {
            let gradient = Tensor([Float](repeating: 1, count: parameter.count), shape: parameter.shape)
            store.add([parameter.name: gradient], of: ParameterName(parameter.name).block)
        }
        store.step(OptimizerStep(learningRate: 0.1, number: 1))
        let after = store.namedValues.mapValues { $0.floatArray() }
        #expect(before != after)
        let file = place.appending(path: "second_moments.safetensors")
        let bytes = try Data(contentsOf: file)
        try bytes.dropLast(9).write(to: file)
        #expect(throws: TrainingError.self) { try store.read(from: place) }
        #expect(store.namedValues.mapValues { $0.floatArray() } == after)
        try bytes.write(to: file)
        try store.read(from: place)
        #expect(store.namedValues.mapValues { $0.floatArray() } == before)
    }

    private static func batch(_ directory: URL) throws -> TrainingBatch {
        let file = try SafetensorsFile(directory.appending(path: "golden/train.safetensors"))
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
