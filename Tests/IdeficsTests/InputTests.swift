// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsGeneration
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Inputs other than pixels, and inputs that do not fit.
@Suite struct InputTests {
    @Test(arguments: ["f1-resampler-qk", "f2-plain-vector"])
    func embeddingsInPlaceOfPixels(fixture: String) throws {
        let golden = try Golden("\(fixture)/golden/pad3.safetensors")
        let model = try fixtureModel(fixture)
        var inputs = try golden.inputs()
        let expected = realRows(try golden.tensor("logits"), inputs)
        inputs.images = .perceiverEmbeddings(try golden.tensor("image_hidden_states"))
        #expect(maxDifference(realRows(try model.forward(inputs).logits, inputs), expected) <= 1e-4)
        let vision = try golden.tensor(fixture.hasPrefix("f1") ? "vision.layer.1" : "image_hidden_states")
        let (tokens, width) = (vision.shape[vision.shape.count - 2], vision.shape[vision.shape.count - 1])
        let slots = inputs.imageAttentionMask.shape[2]
        inputs.images = .imageEncoderEmbeddings(vision.reshaped([3, slots, tokens, width]))
        #expect(maxDifference(realRows(try model.forward(inputs).logits, inputs), expected) <= 1e-4)
    }

    /// A token may see several images: attention over both at once, as a mask of ones asks.
    @Test func severalImagesForOneToken() throws {
        let golden = try Golden("f1-resampler-qk/golden/single2.safetensors")
        let model = try fixtureModel("f1-resampler-qk")
        var inputs = try golden.inputs()
        let mask = inputs.imageAttentionMask
        inputs.imageAttentionMask = Tensor(Array(repeating: 1, count: mask.count), shape: mask.shape)
        let both = try model.forward(inputs).logits.floatArray()
        // The order of the images makes no difference to attention over all of them.
        let pixels = inputs.images.tensor
        let swapped = concatenate([
            pixels.reshaped(Array(pixels.shape.dropFirst()))[1..<2],
            pixels[0..<1].reshaped(Array(pixels.shape.dropFirst()))[0..<1],
        ])
        inputs.images = .pixelValues(swapped.reshaped(pixels.shape))
        #expect(maxDifference(try model.forward(inputs).logits.floatArray(), both) <= 1e-5)
        #expect(maxDifference(both, try golden.tensor("logits").floatArray()) > 1e-2)
    }

    /// Branches behind closed gates are not run; what they would add is nothing.
    @Test func closedGatesAddNothing() throws {
        let checkpoint = try Checkpoint(directory: Fixtures.url("f1-resampler-qk"))
        let config = try ModelFiles(directory: Fixtures.url("f1-resampler-qk")).config()
        func model(closing gates: Set<String>) -> IdeficsModel {
            IdeficsModel(
                config,
                Weights { name, shape in
                    let isClosed = gates.contains(where: name.hasSuffix)
                    return isClosed ? Tensor.zeros(shape) : (try? checkpoint.tensor(named: name)) ?? Tensor.zeros(shape)
                }
            )
        }
        let inputs = try Golden("f1-resampler-qk/golden/single2.safetensors").inputs()
        var blind = inputs
        blind.imageAttentionMask = Tensor(
            Array(repeating: 0, count: inputs.imageAttentionMask.count),
            shape: inputs.imageAttentionMask.shape
        )
        func logits(_ model: IdeficsModel, _ inputs: IdeficsInputs) throws -> [Float] {
            try model.forward(inputs).logits.floatArray()
        }
        let closed = model(closing: ["alpha_cross_attn", "alpha_dense"])
        #expect(try logits(closed, inputs) == logits(closed, blind))
        // Each gate alone still matters, and an observer, for whom attention runs, changes nothing.
        let (attending, dense) = (model(closing: ["alpha_dense"]), model(closing: ["alpha_cross_attn"]))
        #expect(try maxDifference(logits(attending, inputs), logits(closed, inputs)) > 1e-3)
        #expect(try maxDifference(logits(dense, inputs), logits(closed, inputs)) > 1e-3)
        #expect(try logits(dense, inputs) == logits(dense, blind))
        var seen: [String] = []
        let observed = try dense.forward(inputs) { name, _ in seen.append(name) }.logits.floatArray()
        #expect(try observed == logits(dense, inputs))
        #expect(seen.contains("cross.0.attn") && seen.contains("cross.0.out"))
    }

    /// Positions masked in the middle of a row count neither as tokens nor for positions.
    @Test func maskedTokensDoNotExist() throws {
        let golden = try Golden("f1-resampler-qk/golden/single2.safetensors")
        let model = try fixtureModel("f1-resampler-qk")
        var inputs = try golden.inputs()
        let ids = try #require(inputs.inputIds.intArray())
        let mask = try #require(inputs.imageAttentionMask.intArray())
        let expected = try model.forward(inputs).logits.floatArray()
        let width = expected.count / ids.count
        // Put a masked token behind the fifth.
        inputs.inputIds = Tensor(Array(ids[..<5]) + [7] + ids[5...], shape: [1, ids.count + 1])
        inputs.attentionMask = Tensor((0...ids.count).map { $0 == 5 ? 0 : 1 }, shape: [1, ids.count + 1])
        inputs.imageAttentionMask = Tensor(
            Array(mask[..<10]) + [1, 1] + mask[10...],
            shape: [1, ids.count + 1, 2]
        )
        let found = try model.forward(inputs).logits.floatArray()
        let real = Array(found[..<(5 * width)]) + found[(6 * width)...]
        #expect(maxDifference(real, expected) <= 1e-5)
        #expect(found[(5 * width)..<(6 * width)].allSatisfy { $0 == 0 })
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let good = try Golden("f1-resampler-qk/golden/pad3.safetensors").inputs()
        let model = try fixtureModel("f1-resampler-qk")
        func field(_ change: (inout IdeficsInputs) -> Void) -> String? {
            var inputs = good
            change(&inputs)
            do {
                _ = try model.forward(inputs)
                return nil
            } catch {
                guard case IdeficsError.input(let field, _) = error else { return "\(error)" }
                return field
            }
        }
        #expect(field { _ in } == nil)
        #expect(field { $0.inputIds = Tensor([1, 98], shape: [1, 2]) } == "input_ids")
        #expect(field { $0.inputIds = Tensor([1, -1], shape: [1, 2]) } == "input_ids")
        #expect(field { $0.inputIds = Tensor([1, 2], shape: [2]) } == "input_ids")
        #expect(field { $0.inputIds = Tensor([Float(1)], shape: [1, 1]) } == "input_ids")
        #expect(field { $0.attentionMask = Tensor([1, 1], shape: [1, 2]) } == "attention_mask")
        #expect(field { $0.imageAttentionMask = Tensor([1], shape: [1, 1, 1]) } == "image_attention_mask")
        #expect(field { $0.images = .pixelValues(Tensor([Float(1)], shape: [1])) } == "pixel_values")
        #expect(field { $0.images = .pixelValues(Tensor.zeros([3, 3, 3, 28, 28])) } == "pixel_values")
        #expect(field { $0.images = .perceiverEmbeddings(Tensor.zeros([3, 3, 4, 24])) } == "perceiver_embeddings")
        #expect(
            field { $0.images = .imageEncoderEmbeddings(Tensor.zeros([3, 3, 10, 23])) } == "image_encoder_embeddings"
        )
        var empty = good
        empty.attentionMask = Tensor(Array(repeating: 0, count: 48), shape: [3, 16])
        #expect(throws: IdeficsError.self) { try IdeficsSession(model).start(empty) }
    }

    @Test func samplingRepeatsWithItsSeed() throws {
        let inputs = try Golden("f1-resampler-qk/golden/pad3.safetensors").inputs()
        let model = try fixtureModel("f1-resampler-qk")
        var config = GenerationConfig()
        config.maxNewTokens = 12
        config.doSample = true
        config.temperature = 1.5
        config.numReturnSequences = 2
        func rows(seed: UInt64) throws -> [[Int]] {
            config.seed = seed
            return try GenerationParityTests.sequences(model, inputs, config).rows
        }
        let first = try rows(seed: 1)
        #expect(try rows(seed: 1) == first)
        #expect(try rows(seed: 2) != first)
        #expect(first.count == 6 && first[0] != first[1])
    }
}
