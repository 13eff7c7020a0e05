// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsGeneration
import IdeficsTestSupport
import Testing

/// Decoding over logits that were recorded from IDEFICS models (Tools/make_golden.py).
@Suite struct ModelGoldenTests {
    @Test func warpersOnTheLogitsOfAModel() throws {
        let file = try FixtureTensors("f1-resampler-qk/golden/warpers.safetensors")
        let inputs = try FixtureTensors("f1-resampler-qk/golden/pad3.safetensors")
        let tokenIds = try #require(inputs.integers("in.input_ids"))
        let raw = try #require(file.floats("raw"))
        let vocabSize = try #require(file.shape("raw")?.last)
        let length = tokenIds.count / 3
        let stages: [(name: String, processor: any LogitsProcessor)] = [
            ("rep1.3", RepetitionPenaltyLogitsProcessor(penalty: 1.3)),
            ("rep1.3_temp0.7", TemperatureLogitsWarper(temperature: 0.7)),
            ("rep1.3_temp0.7_topk10", TopKLogitsWarper(topK: 10)),
            ("rep1.3_temp0.7_topk10_topp0.8", TopPLogitsWarper(topP: 0.8)),
        ]
        for row in 0..<3 {
            // The golden was made with the padding counted as tokens.
            let context = TokenContext(promptTokenIds: Array(tokenIds[row * length..<(row + 1) * length]))
            var scores = Array(raw[row * vocabSize..<(row + 1) * vocabSize])
            for stage in stages {
                scores.withUnsafeMutableBufferPointer { stage.processor.process($0, context: context) }
                let expected = try #require(file.floats(stage.name))[row * vocabSize..<(row + 1) * vocabSize]
                #expect(scores == Array(expected), "\(stage.name), row \(row)")
            }
            let total = scores.reduce(0) { $0 + exp(Double($1)) }
            let probabilities = try #require(file.floats("final_probs"))[row * vocabSize..<(row + 1) * vocabSize]
            for (score, probability) in zip(scores, probabilities) {
                #expect(abs(exp(Double(score)) / total - Double(probability)) < 1e-6)
            }
        }
    }

    /// Hands out recorded logits, whatever token is appended, and follows `select`.
    private final class Recording: DecodingSession {
        let logits: [Float]  // [rows, steps, vocabSize]
        let steps: Int
        let vocabSize: Int
        private var rows: [Int]
        private var position = 0

        init(logits: [Float], shape: [Int]) {
            self.logits = logits
            steps = shape[1]
            vocabSize = shape[2]
            rows = Array(0..<shape[0])
        }

        var sequenceCount: Int { rows.count }

        var current: [Float] {
            rows.flatMap { row in
                let start = (row * steps + position) * vocabSize
                return logits[start..<start + vocabSize]
            }
        }

        func step(tokenIds: [Int]) throws -> [Float] {
            position += 1
            return current
        }

        func select(rows: [Int]) { self.rows = rows.map { self.rows[$0] } }
    }

    private struct Run: Decodable {
        var sequences: [[Int]]
        var eos_token_id: [Int]?
        var bad_words_ids: [[Int]]?
    }

    @Test(arguments: ["f1-resampler-qk", "f2-plain-vector", "f3-noqk-noextra", "f4-bin-noresampler-qk"])
    func greedyOverRecordedLogits(fixture: String) throws {
        let file = try FixtureTensors("\(fixture)/golden/greedy_logits.safetensors")
        let object = try JSONSerialization.jsonObject(with: Fixtures.data("\(fixture)/golden/golden.json"))
        let golden = try #require(object as? [String: Any])
        for name in ["pad3", "noimg", "single2"] {
            let shape = try #require(file.shape("greedy.\(name).step_logits"))
            let logits = try #require(file.floats("greedy.\(name).step_logits"))
            for kind in ["greedy", "greedy_eos"] {
                let json = try JSONSerialization.data(withJSONObject: try #require(golden["\(kind).\(name)"]))
                let run = try JSONDecoder().decode(Run.self, from: json)
                var config = GenerationConfig(maxNewTokens: shape[1], padTokenId: 0)
                config.eosTokenId = run.eos_token_id ?? [2]
                config.minNewTokens = kind == "greedy" ? shape[1] : nil
                let session = Recording(logits: logits, shape: shape)
                let requests = (0..<shape[0]).map { _ in GenerationRequest(promptTokenIds: [1], config: config) }
                let results = try Generator(session: session, requests: requests, promptLogits: session.current).run()
                let rows = results.paddedTokenIds(fillTokenId: 0)
                let expected = run.sequences.map { Array($0.suffix(rows[0].count)) }
                #expect(rows == expected, "\(kind).\(name)")
            }
        }
    }
}
