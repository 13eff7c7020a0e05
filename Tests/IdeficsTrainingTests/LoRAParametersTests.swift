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

@Suite struct LoRAParametersTests {
    private let fixture = Fixtures.url("f1-resampler-qk")

    /// The batch that losses are of.
    private func batch() throws -> (inputs: IdeficsInputs, labels: Tensor) {
        let file = try SafetensorsFile(fixture.appending(path: "golden/train.safetensors"))
        return (
            IdeficsInputs(
                inputIds: try file.tensor(named: "in.input_ids"),
                attentionMask: try file.tensor(named: "in.attention_mask"),
                imageAttentionMask: try file.tensor(named: "in.image_attention_mask"),
                images: .pixelValues(try file.tensor(named: "in.pixel_values"))
            ),
            try file.tensor(named: "in.labels")
        )
    }

    private struct Step {
        let loss: Float
        /// By name; nil where the loss does not depend on the parameter.
        let gradients: [String: [Float]]
    }

    private func step(
        _ trained: LoRAParameters,
        _ values: [Tensor],
        pass: ParameterPass = .inference,
        isCheckpointing: Bool = false
    ) throws -> Step {
        let leaves = zip(trained.parameters, values).map { ($0.name, $1.trainable()) }
        let model = try trained.model(Dictionary(uniqueKeysWithValues: leaves), pass: pass)
        let (inputs, labels) = try batch()
        let loss = try model.trainingLoss(inputs, labels: labels, pass: TrainingPass(isCheckpointing: isCheckpointing))
        let found = gradients(of: loss.total)
        return Step(
            loss: loss.crossEntropy,
            gradients: Dictionary(
                uniqueKeysWithValues: leaves.compactMap { name, leaf in
                    found[leaf].map { (name, $0.floatArray()) }
                }
            )
        )
    }

    private func difference(_ a: [Float], _ b: [Float]) -> Float {
        a.count == b.count ? zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
    }

    private func quantized(_ folder: TemporaryFolder, _ format: QuantizedTensor.Format) throws -> URL {
        let place = folder.url.appending(path: "quantized")
        let formats = Dictionary(uniqueKeysWithValues: QuantizationOptions.Part.allCases.map { ($0, format) })
        try ModelQuantization(directory: fixture, options: .init(formats: formats)).write(to: place)
        return place
    }

    // MARK: - Gradients

    /// Loss and all gradients of the adapters (and of modules in full) that peft and torch find.
    @Test(arguments: ["qkv", "patterns", "all"])
    func gradientsAreThoseOfPEFT(name: String) throws {
        let place = Fixtures.url("lora/\(name)")
        let trained = try LoRAParameters(directory: fixture, continuing: place)
        let found = try step(trained, trained.initialValues(seed: 0))
        let golden = try FixtureTensors("lora/\(name)/golden.safetensors")
        let loss = try #require(golden.floats("train.loss"))[0]
        #expect(abs(found.loss - loss) < 2e-6 * max(1, loss))
        var worst: Float = 0
        for parameter in trained.parameters {
            let expected = try #require(golden.floats("grad.\(parameter.name)"), "\(parameter.name)")
            let largest = expected.reduce(0) { max($0, abs($1)) }
            let gradient = found.gradients[parameter.name] ?? Array(repeating: 0, count: parameter.count)
            let wrong = difference(gradient, expected)
            worst = max(worst, wrong)
            #expect(wrong <= 2e-5 * max(largest, 1), "\(parameter.name): \(wrong) of \(largest)")
        }
        print("LoRA \(name): loss differs by \(abs(found.loss - loss)), gradients by \(worst)")
        #expect(found.gradients.values.contains { $0.contains { abs($0) > 0.01 } })
    }

    /// QLoRA: what flows through NF4 codes is what flows through the values they stand for.
    @Test(arguments: QuantizedTensor.Format.allCases)
    func aStepOnAQuantisedBaseIsThatOnItsValues(format: QuantizedTensor.Format) throws {
        let folder = try TemporaryFolder()
        let base = try quantized(folder, format)
        let config = try ModelFiles(directory: base).config()
        let weights = Weights(try Checkpoint(directory: base))
        var tensors: [String: Tensor] = [:]
        for parameter in IdeficsModel.parameters(of: config) {
            tensors[parameter.name] =
                parameter.isWeight
                ? weights.weight(parameter.name, shape: parameter.shape).values
                : cast(weights.tensor(parameter.name, shape: parameter.shape))
        }
        let dense = folder.url.appending(path: "dense")
        try FileManager.default.createDirectory(at: dense, withIntermediateDirectories: true)
        try SafetensorsWriter.write(tensors, to: dense.appending(path: "model.safetensors"))
        try FileManager.default.copyItem(
            at: fixture.appending(path: "config.json"),
            to: dense.appending(path: "config.json")
        )
        var lora = LoRAConfig(targetModules: .names(["q_proj", "k_proj", "v_proj"]))
        lora.r = 4
        lora.loraDropout = 0.05
        lora.modulesToSave = ["gated_cross_attn_layers.0"]
        let onCodes = try LoRAParameters(directory: base, lora: lora)
        let onValues = try LoRAParameters(directory: dense, lora: lora)
        // B other than zero, or A would have no gradient.
        let values = zip(onCodes.parameters, try onCodes.initialValues(seed: 1)).map { parameter, value in
            parameter.name.hasSuffix("lora_B.weight")
                ? Tensor((0..<value.count).map { Float($0 % 7 - 3) * 0.02 }, shape: value.shape) : value
        }
        let pass = ParameterPass.training(seed: 3, step: 2)
        let (found, expected) = (try step(onCodes, values, pass: pass), try step(onValues, values, pass: pass))
        #expect(abs(found.loss - expected.loss) < 1e-5)
        #expect(Set(found.gradients.keys) == Set(expected.gradients.keys))
        var worst: Float = 0
        for (name, gradient) in expected.gradients {
            let largest = gradient.reduce(0) { max($0, abs($1)) }
            let wrong = difference(found.gradients[name] ?? [], gradient)
            worst = max(worst, wrong)
            #expect(wrong <= 2e-5 * max(largest, 1), "\(name): \(wrong) of \(largest)")
        }
        print("QLoRA on \(format): loss differs by \(abs(found.loss - expected.loss)), gradients by \(worst)")
    }

    // MARK: - Beginning, passes

    @Test func anUntrainedAdapterIsTheModelItself() throws {
        var lora = LoRAConfig(targetModules: .allLinear)
        lora.modulesToSave = ["perceiver_resampler"]
        let trained = try LoRAParameters(directory: fixture, lora: lora)
        let values = try trained.initialValues(seed: 5)
        let byName = Dictionary(uniqueKeysWithValues: zip(trained.parameters.map(\.name), values))
        let (inputs, labels) = try batch()
        let (model, _, _) = try ModelFiles(directory: fixture).model(trained.config)
        let expected = try model.trainingLoss(inputs, labels: labels).crossEntropy
        #expect(
            try trained.model(byName, pass: .inference).trainingLoss(inputs, labels: labels).crossEntropy == expected
        )
        // With B zero, dropout has nothing to leave out either.
        let pass = ParameterPass.training(seed: 1, step: 1)
        #expect(try trained.model(byName, pass: pass).trainingLoss(inputs, labels: labels).crossEntropy == expected)
        // PEFT's first A: even in ±1 / √inFeatures.
        for (parameter, value) in zip(trained.parameters, values) where parameter.name.hasSuffix("lora_A.weight") {
            let bound = 1 / Float(parameter.shape[1]).squareRoot()
            let elements = value.floatArray()
            #expect(elements.allSatisfy { abs($0) <= bound })
            #expect(elements.contains { $0 > bound / 2 } && elements.contains { $0 < -bound / 2 })
        }
        #expect(try trained.initialValues(seed: 5).map { $0.floatArray() } == values.map { $0.floatArray() })
        #expect(try trained.initialValues(seed: 6).map { $0.floatArray() } != values.map { $0.floatArray() })
    }

    /// Dropout depends on seed and step, not on when or how often a layer is computed.
    @Test func dropoutIsThatOfItsStep() throws {
        var lora = LoRAConfig(targetModules: .names(["q_proj", "v_proj"]))
        lora.loraDropout = 0.3
        let trained = try LoRAParameters(directory: fixture, lora: lora)
        let values = zip(trained.parameters, try trained.initialValues(seed: 1)).map { parameter, value in
            parameter.name.hasSuffix("lora_B.weight")
                ? Tensor([Float](repeating: 0.05, count: value.count), shape: value.shape) : value
        }
        let first = try step(trained, values, pass: .training(seed: 1, step: 1))
        let again = try step(trained, values, pass: .training(seed: 1, step: 1), isCheckpointing: true)
        #expect(first.loss == again.loss)
        #expect(first.gradients == again.gradients)
        for other in [ParameterPass.training(seed: 1, step: 2), .training(seed: 2, step: 1), .inference] {
            #expect(try step(trained, values, pass: other).loss != first.loss)
        }
    }

    /// Nothing below the first adapter is differentiated, nor anything frozen.
    @Test func onlyAdaptersHaveGradients() throws {
        let pattern = LoRAConfig.Modules(#"model\.layers\.[23]\.self_attn\.q_proj"#)
        let trained = try LoRAParameters(directory: fixture, lora: LoRAConfig(targetModules: pattern))
        #expect(trained.parameters.count == 4)
        #expect(trained.parameters.map(\.name) == trained.parameters.map(\.name).sorted())
        #expect(try Set(step(trained, trained.initialValues(seed: 1)).gradients.keys).count == 4)
    }

    /// A head without added tokens, by its name: its loss is that of the merged weight, and every part gets a gradient.
    @Test func theHeadIsTrained() throws {
        let directory = Fixtures.url("f3-noqk-noextra")
        let trained = try LoRAParameters(
            directory: directory,
            lora: LoRAConfig(targetModules: .init("lm_head,down_proj"))
        )
        let values = try trained.initialValues(seed: 3).map { value in
            Tensor(value.floatArray().enumerated().map { $1 + Float($0 % 7) * 0.02 - 0.05 }, shape: value.shape)
        }
        let leaves = zip(trained.parameters, values).map { ($0.name, $1.trainable()) }
        let file = try SafetensorsFile(directory.appending(path: "golden/train.safetensors"))
        let inputs = IdeficsInputs(
            inputIds: try file.tensor(named: "in.input_ids"),
            attentionMask: file.contains("in.attention_mask") ? try file.tensor(named: "in.attention_mask") : nil,
            imageAttentionMask: try file.tensor(named: "in.image_attention_mask"),
            images: .pixelValues(try file.tensor(named: "in.pixel_values"))
        )
        let labels = try file.tensor(named: "in.labels")
        let model = try trained.model(Dictionary(uniqueKeysWithValues: leaves), pass: .inference)
        let loss = try model.trainingLoss(inputs, labels: labels)
        #expect(try model.evaluationLoss(inputs, labels: labels).loss.crossEntropy == loss.crossEntropy)
        let found = gradients(of: loss.total)
        for (name, leaf) in leaves {
            #expect(found[leaf]?.floatArray().contains { abs($0) > 1e-6 } == true, "\(name)")
        }
        let folder = try TemporaryFolder()
        let staged = try StagedDirectory(folder.url.appending(path: "adapter"))
        try trained.export(Dictionary(uniqueKeysWithValues: zip(trained.parameters.map(\.name), values)), to: staged)
        try staged.commit()
        let merged = folder.url.appending(path: "merged")
        try AdapterMerge(directory: directory, adapter: folder.url.appending(path: "adapter")).write(to: merged)
        let expected = try ModelFiles(directory: merged).model(trained.config).model
            .trainingLoss(inputs, labels: labels)
        #expect(abs(loss.crossEntropy - expected.crossEntropy) < 1e-5)
    }

    // MARK: - Export

    @Test func whatIsExportedIsContinued() throws {
        let folder = try TemporaryFolder()
        var lora = LoRAConfig(targetModules: .names(["q_proj", "down_proj"]))
        lora.r = 3
        lora.useRslora = true
        lora.rankPattern = ["down_proj": 2]
        lora.modulesToSave = ["gated_cross_attn_layers"]
        let trained = try LoRAParameters(directory: fixture, lora: lora)
        let values = try trained.initialValues(seed: 1).map { value in
            Tensor(value.floatArray().enumerated().map { $1 + Float($0 % 5) * 0.01 }, shape: value.shape)
        }
        let place = folder.url.appending(path: "adapter")
        let staged = try StagedDirectory(place)
        try trained.export(
            Dictionary(uniqueKeysWithValues: zip(trained.parameters.map(\.name), values)),
            to: staged
        )
        try staged.commit()
        let again = try LoRAParameters(directory: fixture, continuing: place)
        #expect(again.parameters == trained.parameters)
        #expect(again.lora == trained.lora)
        #expect(try again.initialValues(seed: 9).map { $0.floatArray() } == values.map { $0.floatArray() })
        let (before, after) = (try step(trained, values), try step(again, values))
        #expect(before.loss == after.loss)
        #expect(before.gradients == after.gradients)
    }
}
