// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// A checkpoint of which some tensors are parameters that change.
private struct TrainedCheckpoint {
    let source: Checkpoint
    let config: IdeficsConfig
    /// Values by name.
    var parameters: [String: Tensor]

    /// What a model takes its tensors from.
    private struct Source: TensorSource {
        let frozen: Checkpoint
        let leaves: [String: Tensor]

        var tensorNames: [String] { frozen.tensorNames }
        func metadata(named name: String) -> TensorMetadata? { frozen.metadata(named: name) }
        func tensor(named name: String) throws -> Tensor { try leaves[name] ?? frozen.tensor(named: name) }
    }

    /// `trained` are the names of parameters; nil for all.
    init(_ fixture: String, trained: [String]?) throws {
        let files = ModelFiles(directory: Fixtures.url(fixture))
        let source = try Checkpoint(directory: files.directory)
        self.source = source
        config = try files.config()
        let names =
            trained
            ?? source.tensorNames.filter { name in !name.hasSuffix("inv_freq") && !name.hasSuffix("position_ids") }
        parameters = try Dictionary(uniqueKeysWithValues: names.map { ($0, try source.tensor(named: $0)) })
    }

    /// The model with today's values, and its parameters as leaves.
    func model() throws -> (model: IdeficsModel, leaves: [String: Tensor]) {
        let leaves = parameters.mapValues { $0.trainable() }
        let weights = Weights(Source(frozen: source, leaves: leaves))
        let model = IdeficsModel(config, weights)
        try weights.finish()
        return (model, leaves)
    }
}

/// Gradients and optimiser steps against transformers 5.23 and torch in f32.
@Suite struct GradientParityTests {
    static let fixtures = ["f1-resampler-qk", "f2-plain-vector", "f3-noqk-noextra", "f4-bin-noresampler-qk"]

    private func batch(_ fixture: String) throws -> (inputs: IdeficsInputs, labels: Tensor) {
        let golden = try Golden("\(fixture)/golden/train.safetensors")
        return (try golden.inputs(), try golden.tensor("in.labels"))
    }

    /// Compares all gradients with those of a file; returns the largest difference, relative to the largest gradient of
    /// the same parameter but at least 1e-3 (below that, rounding of values of about 1 is all there is).
    private func compare(
        _ found: Gradients,
        _ leaves: [String: Tensor],
        _ path: String
    ) throws
        -> (absolute: Float, relative: Float)
    {
        let golden = try Golden(path)
        var (absolute, relative): (Float, Float) = (0, 0)
        #expect(Set(golden.file.tensorNames) == Set(leaves.keys))
        for name in golden.file.tensorNames {
            let expected = try golden.tensor(name).floatArray()
            let largest = expected.reduce(0) { max($0, abs($1)) }
            guard let gradient = leaves[name].flatMap({ found[$0] }) else {
                #expect(largest == 0, "\(name) has no gradient")
                continue
            }
            let difference = maxDifference(gradient.floatArray(), expected)
            absolute = max(absolute, difference)
            relative = max(relative, difference / max(largest, 1e-3))
            #expect(difference <= 2e-5 * max(largest, 1), "\(name): \(difference) of \(largest)")
        }
        return (absolute, relative)
    }

    @Test(arguments: fixtures)
    func trainableParameters(fixture: String) throws {
        let golden = try GoldenJSON("\(fixture)/golden/golden.json")
        let checkpoint = try TrainedCheckpoint(fixture, trained: golden.trainable?.strings)
        let (inputs, labels) = try batch(fixture)
        let (model, leaves) = try checkpoint.model()
        let loss = try model.trainingLoss(inputs, labels: labels)
        #expect(abs(Double(loss.crossEntropy) - (golden.train?.loss?.double ?? 0)) < 2e-6)
        #expect(abs(Double(loss.zMean) - (golden.train?.z_mean?.double ?? 0)) < 2e-5)
        #expect(loss.count == golden.train?.counted_tokens?.int)
        let found = gradients(of: loss.total)
        let difference = try compare(found, leaves, "\(fixture)/golden/train_grads.safetensors")
        print("gradients \(fixture): absolute \(difference.absolute), relative \(difference.relative)")
    }

    @Test func everythingUnfrozen() throws {
        let checkpoint = try TrainedCheckpoint("f1-resampler-qk", trained: nil)
        let (inputs, labels) = try batch("f1-resampler-qk")
        let (model, leaves) = try checkpoint.model()
        let found = gradients(of: try model.trainingLoss(inputs, labels: labels).total)
        let difference = try compare(found, leaves, "f1-resampler-qk/golden/train_grads_full.safetensors")
        print("gradients f1 unfrozen: absolute \(difference.absolute), relative \(difference.relative)")
    }

    @Test(arguments: fixtures)
    func checkpointingChangesNoBit(fixture: String) throws {
        let checkpoint = try TrainedCheckpoint(fixture, trained: nil)
        let (inputs, labels) = try batch(fixture)
        let (model, leaves) = try checkpoint.model()
        var pass = TrainingPass(zLossWeight: 1e-3, zLossExcludedIds: [5])
        let plain = gradients(of: try model.trainingLoss(inputs, labels: labels, pass: pass).total)
        pass.isCheckpointing = true
        let again = gradients(of: try model.trainingLoss(inputs, labels: labels, pass: pass).total)
        var compared = 0
        for (name, leaf) in leaves {
            let (a, b) = (plain[leaf], again[leaf])
            #expect(a?.floatArray() == b?.floatArray(), "\(name)")
            compared += a != nil ? 1 : 0
        }
        #expect(compared > 60)
    }

    /// Runs passes over a fixture of which everything is trained.
    private func passes(
        _ fixture: String
    ) throws
        -> (TrainingPass) throws -> (loss: Float, gradients: [String: [Float]])
    {
        let checkpoint = try TrainedCheckpoint(fixture, trained: nil)
        let (inputs, labels) = try batch(fixture)
        let (model, leaves) = try checkpoint.model()
        return { pass in
            let loss = try model.trainingLoss(inputs, labels: labels, pass: pass)
            let found = gradients(of: loss.total)
            return (loss.crossEntropy, leaves.compactMapValues { found[$0]?.floatArray() })
        }
    }

    /// Passes in bf16: near those in f32, as torch's autocast is (relative L2 difference of all gradients of f3 in
    /// transformers 5.23: 3.2e-2), and the same bits when layers are computed again.
    @Test(arguments: fixtures)
    func bf16IsNearF32(fixture: String) throws {
        let run = try passes(fixture)
        let full = try run(TrainingPass())
        let half = try run(TrainingPass(precision: .bf16))
        let again = try run(TrainingPass(isCheckpointing: true, precision: .bf16))
        #expect(half.loss == again.loss && half.gradients == again.gradients)
        var (difference, norm) = (0.0, 0.0)
        for (name, gradient) in full.gradients {
            for (a, b) in zip(gradient, half.gradients[name] ?? []) {
                difference += Double(a - b) * Double(a - b)
                norm += Double(a) * Double(a)
            }
        }
        let relative = (difference / norm).squareRoot()
        print("bf16 \(fixture): loss \(half.loss - full.loss), gradients \(relative)")
        #expect(half.gradients.count == full.gradients.count)
        #expect(abs(half.loss - full.loss) < 2e-2 && half.loss != full.loss)
        #expect(relative > 1e-4 && relative < 3e-2)
    }

    /// Dropped elements depend on the seed alone, and are the same when a layer is computed again.
    @Test func dropoutIsRepeated() throws {
        let run = try passes("f1-resampler-qk")
        let none = try run(TrainingPass())
        let once = try run(TrainingPass(dropout: 0.2, dropoutSeed: 3))
        let again = try run(TrainingPass(isCheckpointing: true, dropout: 0.2, dropoutSeed: 3))
        let other = try run(TrainingPass(dropout: 0.2, dropoutSeed: 4))
        #expect(once.loss == again.loss && once.gradients == again.gradients)
        #expect(once.loss != none.loss && once.loss != other.loss)
        // In the mean over many masks the loss is about that without: nothing is scaled away.
        let losses = try (0..<200).map { try run(TrainingPass(dropout: 0.02, dropoutSeed: $0)).loss }
        #expect(abs(losses.reduce(0, +) / 200 - none.loss) < 0.1)
    }

    /// Parameters stored in bf16 get the gradients of their values, whatever layer has them.
    @Test func halfParametersGiveTheGradientsOfTheirValues() throws {
        var checkpoint = try TrainedCheckpoint("f6-bf16", trained: nil)
        let (inputs, labels) = try batch("f1-resampler-qk")
        #expect(checkpoint.parameters.values.allSatisfy { $0.dtype == .bf16 })
        let half = try differentiate(checkpoint, inputs, labels)
        checkpoint.parameters = checkpoint.parameters.mapValues { cast($0) }
        let full = try differentiate(checkpoint, inputs, labels)
        #expect(half.gradients.count > 100 && half.gradients.count == full.gradients.count)
        for (a, b) in zip(half.gradients, full.gradients) {
            #expect(a.name == b.name && a.gradient.shape == b.gradient.shape)
            let values = b.gradient.floatArray()
            let largest = values.reduce(0) { max($0, abs($1)) }
            #expect(maxDifference(a.gradient.floatArray(), values) <= 1e-6 * largest, "\(a.name)")
        }
    }

    /// Two losses of one model add up; the second is walked into the gradients of the first.
    @Test func gradientsOfSeveralLossesAreAdded() throws {
        let checkpoint = try TrainedCheckpoint("f1-resampler-qk", trained: nil)
        let (inputs, labels) = try batch("f1-resampler-qk")
        let (model, leaves) = try checkpoint.model()
        let once = gradients(of: try model.trainingLoss(inputs, labels: labels).total)
        let twice = gradients(of: try model.trainingLoss(inputs, labels: labels).total, into: once)
        let half = gradients(
            of: try model.trainingLoss(inputs, labels: labels).total,
            seed: Tensor([0.5], shape: [1])
        )
        for (name, leaf) in leaves {
            guard let a = once[leaf]?.floatArray() else { continue }
            // A parameter with several uses is summed in another order: rounding of its largest terms.
            let allowed = 1e-5 * max(a.reduce(0) { max($0, abs($1)) }, 1e-2)
            #expect(maxDifference(twice[leaf]?.floatArray() ?? [], a.map { $0 * 2 }) <= allowed, "\(name)")
            #expect(maxDifference(half[leaf]?.floatArray() ?? [], a.map { $0 / 2 }) <= allowed, "\(name)")
        }
    }

    /// The loss and the gradients by name, sorted, so that the norm is summed in a fixed order.
    private func differentiate(
        _ checkpoint: TrainedCheckpoint,
        _ inputs: IdeficsInputs,
        _ labels: Tensor
    ) throws
        -> (loss: TokenLoss, gradients: [(name: String, gradient: Tensor)])
    {
        let (model, leaves) = try checkpoint.model()
        let loss = try model.trainingLoss(inputs, labels: labels)
        let found = gradients(of: loss.total)
        let sorted = leaves.sorted { $0.key < $1.key }
        return (loss, sorted.compactMap { name, leaf in found[leaf].map { (name, $0) } })
    }

    @Test(arguments: fixtures)
    func adamWSteps(fixture: String) throws {
        let golden = try GoldenJSON("\(fixture)/golden/golden.json")
        var checkpoint = try TrainedCheckpoint(fixture, trained: golden.trainable?.strings)
        let (inputs, labels) = try batch(fixture)
        let losses = golden.adamw?.losses?.floats ?? []
        let norms = golden.adamw?.grad_norms?.floats ?? []
        var moments = checkpoint.parameters.mapValues { (Tensor.zeros($0.shape), Tensor.zeros($0.shape)) }
        var worst: (loss: Float, norm: Float) = (0, 0)
        #expect(losses.count == 4)
        for step in 0..<losses.count {
            let (loss, stepGradients) = try differentiate(checkpoint, inputs, labels)
            let norm = Float(stepGradients.reduce(0) { $0 + squaredNorm($1.gradient) }.squareRoot())
            worst = (max(worst.loss, abs(loss.crossEntropy - losses[step])), max(worst.norm, abs(norm - norms[step])))
            let update = AdamWStep(
                learningRate: 1e-2,
                weightDecay: 0.1,
                gradientScale: min(1, 1 / (norm + 1e-6)),
                step: step + 1
            )
            for (name, gradient) in stepGradients {
                guard var value = checkpoint.parameters.removeValue(forKey: name),
                    var (first, second) = moments.removeValue(forKey: name)
                else { continue }
                adamWStep(&value, firstMoment: &first, secondMoment: &second, gradient: gradient, update)
                checkpoint.parameters[name] = value
                moments[name] = (first, second)
            }
        }
        print("adamw \(fixture): loss \(worst.loss), norm \(worst.norm)")
        #expect(worst.loss < 2e-4)
        #expect(worst.norm < 2e-3)
        for name in golden.adamw?.alphas_after_4?.keys ?? [] {
            let expected = golden.adamw?.alphas_after_4?[name]?.floats ?? []
            let values = try #require(checkpoint.parameters[name]).floatArray()
            #expect(maxDifference(Array(values.prefix(4)), expected) < 5e-4, "\(name)")
        }
    }

    /// A new model's gates are closed: the loss is the language model's, and the gates alone feel it.
    @Test func closedGatesGetGradients() throws {
        let golden = try GoldenJSON("f1-resampler-qk/golden/golden.json")
        var checkpoint = try TrainedCheckpoint("f1-resampler-qk", trained: golden.trainable?.strings)
        for (name, value) in checkpoint.parameters where name.contains("alpha_") {
            checkpoint.parameters[name] = .zeros(value.shape)
        }
        let (inputs, labels) = try batch("f1-resampler-qk")
        let found = try differentiate(checkpoint, inputs, labels)
        for (name, gradient) in found.gradients {
            let isFelt = gradient.floatArray().contains { $0 != 0 }
            #expect(isFelt == (name.contains("alpha_") || name.contains("additional_")), "\(name)")
        }
        #expect(found.gradients.count == checkpoint.parameters.count)
    }

    @Test func batchesWithoutImagesTrain() throws {
        let golden = try GoldenJSON("f1-resampler-qk/golden/golden.json")
        let checkpoint = try TrainedCheckpoint("f1-resampler-qk", trained: golden.trainable?.strings)
        let inputs = try Golden("f1-resampler-qk/golden/noimg.safetensors").inputs()
        let found = try differentiate(checkpoint, inputs, inputs.inputIds)
        let names = found.gradients.map(\.name)
        #expect(names.contains { $0.hasSuffix("alpha_dense") } && !names.contains { $0.contains("perceiver") })
    }

    @Test func hostileLabelsAreRefused() throws {
        let checkpoint = try TrainedCheckpoint("f1-resampler-qk", trained: [])
        let (inputs, labels) = try batch("f1-resampler-qk")
        let (model, _) = try checkpoint.model()
        let unknown = Tensor([Int](repeating: 98, count: labels.count), shape: labels.shape)
        for wrong in [labels.reshaped([labels.count]), unknown] {
            #expect(throws: IdeficsError.self) { try model.trainingLoss(inputs, labels: wrong) }
        }
        // Nothing is trained: the loss is a number and no more.
        #expect(try !model.trainingLoss(inputs, labels: labels).total.isRecorded)
    }
}
