// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsGeneration
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Greedy and beam search of the fixtures against transformers 5.23: the same tokens, scores to 1e-4.
@Suite struct GenerationParityTests {
    static let fixtures = ["f1-resampler-qk", "f2-plain-vector", "f3-noqk-noextra", "f4-bin-noresampler-qk"]
    static let cases = ["pad3", "noimg", "single2"]
    static let kinds = ["greedy", "greedy_eos", "greedy_badwords", "beam3", "beam4"]

    /// Generates for a padded batch and lays the results out as transformers does: prompt, tokens, fill.
    static func sequences(
        _ model: IdeficsModel,
        _ inputs: IdeficsInputs,
        _ config: GenerationConfig
    ) throws -> (rows: [[Int]], scores: [Float]) {
        let session = IdeficsSession(model)
        let logits = try session.start(inputs)
        let prompts = session.sequences.map(\.tokenIds)
        let generator = try Generator(
            session: session,
            requests: prompts.map { GenerationRequest(promptTokenIds: $0, config: config) },
            promptLogits: logits.toHost().floatArray()
        )
        let results = try generator.run()
        let ids = inputs.inputIds.intArray() ?? []
        let length = inputs.inputIds.shape[1]
        let generated = results.paddedTokenIds(fillTokenId: config.fillTokenId ?? 0)
        let rows = zip(results, generated).map { result, tokens in
            Array(ids[result.promptIndex * length..<(result.promptIndex + 1) * length]) + tokens
        }
        return (rows, results.compactMap(\.score))
    }

    static func config(_ golden: GoldenJSON) -> GenerationConfig {
        var config = GenerationConfig()
        config.maxNewTokens = golden.max_new_tokens?.int
        config.minNewTokens = golden.min_new_tokens?.int
        config.eosTokenId = golden.eos_token_id?.ints ?? [2]
        config.padTokenId = 0
        config.badWordsIds = golden.bad_words_ids?.rows ?? []
        config.numBeams = golden.num_beams?.int ?? 1
        config.lengthPenalty = golden.length_penalty?.double ?? 1
        config.earlyStopping = golden.early_stopping?.bool == true ? .enabled : .disabled
        config.numReturnSequences = golden.num_return_sequences?.int ?? 1
        return config
    }

    @Test(arguments: fixtures, cases)
    func tokens(fixture: String, name: String) throws {
        let golden = try GoldenJSON("\(fixture)/golden/golden.json")
        let inputs = try Golden("\(fixture)/golden/\(name).safetensors").inputs()
        let model = try fixtureModel(fixture)
        for kind in Self.kinds {
            let expected = try #require(golden["\(kind).\(name)"])
            let found = try Self.sequences(model, inputs, Self.config(expected))
            #expect(found.rows == expected.sequences?.rows, "\(kind)")
            if let scores = expected.sequences_scores?.floats {
                #expect(maxDifference(found.scores, scores) <= 1e-4, "\(kind) scores")
            }
        }
    }

    /// Raw logits of each greedy step, through the cache.
    @Test(arguments: fixtures, cases)
    func stepLogits(fixture: String, name: String) throws {
        let golden = try Golden("\(fixture)/golden/greedy_logits.safetensors").tensor("greedy.\(name).step_logits")
        let inputs = try Golden("\(fixture)/golden/\(name).safetensors").inputs()
        let session = IdeficsSession(try fixtureModel(fixture))
        var logits = try session.start(inputs).floatArray()
        let (batch, steps, width) = (golden.shape[0], golden.shape[1], golden.shape[2])
        let expected = golden.floatArray()
        let forced = try #require(GoldenJSON("\(fixture)/golden/golden.json")["greedy.\(name)"]?.sequences?.rows)
        for step in 0..<steps {
            var row: [Float] = []
            for index in 0..<batch {
                let start = (index * steps + step) * width
                row += expected[start..<start + width]
            }
            #expect(maxDifference(logits, row) <= 1e-4, "step \(step)")
            logits = try session.step(tokenIds: forced.map { $0[$0.count - steps + step] })
        }
    }
}

/// Properties that hold whatever the weights are.
@Suite struct GenerationInvarianceTests {
    static func config() -> GenerationConfig {
        var config = GenerationConfig()
        config.maxNewTokens = 10
        config.eosTokenId = [2]
        config.padTokenId = 0
        return config
    }

    /// One row of a batch as a batch of its own.
    static func row(_ inputs: IdeficsInputs, _ row: Int) -> IdeficsInputs {
        IdeficsInputs(
            inputIds: inputs.inputIds[row..<row + 1],
            attentionMask: inputs.attentionMask?[row..<row + 1],
            imageAttentionMask: inputs.imageAttentionMask[row..<row + 1],
            images: .pixelValues(inputs.images.tensor[row..<row + 1])
        )
    }

    @Test(arguments: GenerationParityTests.fixtures)
    func batchesEqualSingleRuns(fixture: String) throws {
        let inputs = try Golden("\(fixture)/golden/pad3.safetensors").inputs()
        let model = try fixtureModel(fixture)
        let together = try IdeficsSession(model).start(inputs).floatArray()
        for row in 0..<inputs.inputIds.shape[0] {
            let alone = try IdeficsSession(model).start(Self.row(inputs, row)).floatArray()
            let width = alone.count
            #expect(maxDifference(alone, Array(together[row * width..<(row + 1) * width])) <= 1e-5)
        }
        for beams in [1, 3] {
            var config = Self.config()
            config.numBeams = beams
            let batch = try GenerationParityTests.sequences(model, inputs, config).rows
            for row in batch.indices {
                let single = try GenerationParityTests.sequences(model, Self.row(inputs, row), config).rows[0]
                #expect(Array(batch[row].prefix(single.count)) == single)
            }
        }
    }

    /// Zero image slots are skipped, equal images encoded once; noise in a slot nobody sees changes nothing.
    @Test func unseenSlotsHaveNoInfluence() throws {
        let inputs = try Golden("f1-resampler-qk/golden/pad3.safetensors").inputs()
        let model = try fixtureModel("f1-resampler-qk")
        let reference = try IdeficsSession(model).start(inputs).floatArray()
        var pixels = inputs.images.tensor.floatArray()
        let perImage = 3 * 42 * 42
        let mask = try #require(inputs.imageAttentionMask.intArray())
        let (batch, tokens, slots) = (3, inputs.inputIds.shape[1], 3)
        var changed = 0
        for row in 0..<batch {
            for slot in 0..<slots
            where !(0..<tokens).contains(where: { mask[(row * tokens + $0) * slots + slot] != 0 }) {
                for index in 0..<perImage { pixels[(row * slots + slot) * perImage + index] = Float(index % 7) }
                changed += 1
            }
        }
        #expect(changed > 0)
        var noisy = inputs
        noisy.images = .pixelValues(Tensor(pixels, shape: inputs.images.tensor.shape))
        #expect(try IdeficsSession(model).start(noisy).floatArray() == reference)
    }

    /// Going on from an earlier prompt's cache gives the same as starting anew.
    @Test func sharedBeginningsAreExact() throws {
        let inputs = try Golden("f1-resampler-qk/golden/single2.safetensors").inputs()
        let model = try fixtureModel("f1-resampler-qk")
        let whole = IdeficsSession(model)
        let reference = try whole.start(inputs).floatArray()
        for shared in [1, 6, 13] {
            var earlier = whole.sequences[0]
            earlier.truncate(to: shared)
            let again = try IdeficsSession(model).start(inputs, earlier: earlier).floatArray()
            #expect(maxDifference(again, reference) <= 1e-5, "\(shared) tokens shared")
        }
    }
}
