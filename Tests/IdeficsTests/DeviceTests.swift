// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsGeneration
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Models on a second device, which has memory of its own and does nothing before it is read: bit for bit the CPU's
/// numbers, since the kernels are.
@Suite struct DeviceTests {
    private func model(_ fixture: String, on device: Device = .cpu, isExact: Bool = false) throws -> IdeficsModel {
        let files = ModelFiles(directory: Fixtures.url(fixture))
        return try files.model(files.config(), isExact: isExact, device: device).model
    }

    @Test(arguments: ForwardParityTests.fixtures + ["f6-bf16"], ForwardParityTests.cases)
    func forward(fixture: String, name: String) throws {
        let second = DeferredDevice()
        let source = fixture == "f6-bf16" ? "f1-resampler-qk" : fixture
        let inputs = try Golden("\(source)/golden/\(name).safetensors").inputs()
        let expected = try model(fixture).forward(inputs)
        let found = try model(fixture, on: second.device).forward(inputs)
        #expect(found.logits.floatArray() == expected.logits.floatArray())
        #expect(found.imageHiddenStates.floatArray() == expected.imageHiddenStates.floatArray())
        #expect(second.operationCount > 50)
    }

    @Test(arguments: GenerationParityTests.fixtures, ["greedy", "beam3"])
    func generation(fixture: String, kind: String) throws {
        let second = DeferredDevice()
        let inputs = try Golden("\(fixture)/golden/pad3.safetensors").inputs()
        var config = GenerationConfig()
        config.maxNewTokens = 12
        config.eosTokenId = [2]
        config.padTokenId = 0
        config.numBeams = kind == "greedy" ? 1 : 3
        let expected = try GenerationParityTests.sequences(model(fixture), inputs, config)
        let found = try GenerationParityTests.sequences(model(fixture, on: second.device), inputs, config)
        #expect(found.rows == expected.rows)
        #expect(found.scores == expected.scores)
    }

    /// Keys and values in other types, pages that copies share, the turns of a chat.
    @Test(arguments: KeyValueType.allCases)
    func containersShareAndCopyPages(type: KeyValueType) async throws {
        let second = DeferredDevice()
        var answers: [[[Int]]] = []
        for device in [Device.cpu, second.device] {
            let container = try ModelContainer(
                directory: Fixtures.url("f7-e2e"),
                cacheType: type,
                device: device
            )
            var config = container.generationConfig
            config.maxNewTokens = 20
            config.numReturnSequences = 2
            config.doSample = true
            config.seed = 7
            var rows: [[Int]] = []
            for text in ["Hello there, what is", "Hello there, what is this? And that?"] {
                for try await event in container.generate(Prompt([.text(text)]), config: config) {
                    if case .finished(let info) = event { rows.append(info.tokenIds) }
                }
            }
            answers.append(rows)
        }
        #expect(answers[0] == answers[1])
        #expect(answers[0].count == 4)
    }

    @Test(arguments: QuantizedTensor.Format.allCases, [false, true])
    func quantizedWeights(format: QuantizedTensor.Format, isExact: Bool) throws {
        let second = DeferredDevice()
        let values = Tensor((0..<96 * 128).map { sin(Float($0) * 0.37) }, shape: [96, 128])
        let x = Tensor((0..<5 * 128).map { cos(Float($0) * 0.11) }, shape: [5, 128])
        let weight = QuantizedTensor(values, format: format)
        let expected = linear(x, LinearProduct(.quantized(weight, isExact: isExact)))
        let moved = QuantizedTensor(values.to(second.device), format: format)
        let found = linear(x.to(second.device), LinearProduct(.quantized(moved, isExact: isExact)))
        #expect(found.toHost().floatArray() == expected.floatArray())
        #expect(moved.dequantized().toHost().floatArray() == weight.dequantized().floatArray())
    }

    /// All gradients of a model whose every parameter is trained, in f32 and with products in bf16, with and without
    /// checkpoints.
    @Test(arguments: GradientParityTests.fixtures, [false, true])
    func gradients(fixture: String, isBF16: Bool) throws {
        let golden = try Golden("\(fixture)/golden/train.safetensors")
        let (inputs, labels) = (try golden.inputs(), try golden.tensor("in.labels"))
        let second = DeferredDevice()
        let checkpoint = try Checkpoint(directory: Fixtures.url(fixture))
        let config = try ModelFiles(directory: Fixtures.url(fixture)).config()
        var found: [[String: [Float]]] = []
        var losses: [Float] = []
        for device in [Device.cpu, second.device] {
            let names = IdeficsModel.parameters(of: config).map(\.name)
            let leaves = try Dictionary(
                uniqueKeysWithValues: names.map { ($0, try checkpoint.tensor(named: $0).to(device).trainable()) }
            )
            let model = IdeficsModel(
                config,
                Weights(making: { name, _ in leaves[name] ?? .zeros([0]) }, device: device)
            )
            let pass = TrainingPass(isCheckpointing: device !== Device.cpu, precision: isBF16 ? .bf16 : .f32)
            let loss = try model.trainingLoss(inputs, labels: labels, pass: pass)
            let gradients = IdeficsTensor.gradients(of: loss.total)
            losses.append(loss.crossEntropy)
            found.append(leaves.compactMapValues { gradients[$0]?.toHost().floatArray() })
        }
        #expect(losses[0] == losses[1])
        #expect(found[0].count > 20)
        #expect(found[0] == found[1])
    }

    /// A step of AdamW with moments of 32 and of 8 bits.
    @Test func optimizerSteps() {
        let second = DeferredDevice()
        let gradient = Tensor((0..<600).map { sin(Float($0)) }, shape: [600])
        let step = AdamWStep(learningRate: 0.01, weightDecay: 0.1, step: 1)
        let results = [Device.cpu, second.device].map { device in
            var (p, q) = (Tensor.zeros([600], on: device), Tensor.zeros([600], on: device))
            var (m, v) = (Tensor.zeros([600], on: device), Tensor.zeros([600], on: device))
            adamWStep(&p, firstMoment: &m, secondMoment: &v, gradient: gradient.to(device), step)
            var m8 = DynamicTensor(Tensor.zeros([600], on: device), map: .signed)
            var v8 = DynamicTensor(Tensor.zeros([600], on: device), map: .unsigned)
            adamWStep(&q, firstMoment: &m8, secondMoment: &v8, gradient: gradient.to(device), step)
            return [p, m, v, q, m8.dequantized(), v8.dequantized()].map { $0.toHost().floatArray() }
        }
        #expect(results[0] == results[1])
    }
}
