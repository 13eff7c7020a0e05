// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsGeneration
import IdeficsTestSupport
import Testing

/// Greedy and beam search against transformers' `generate()` (Tools/make_golden_generation.py).
@Suite struct DecodingGoldenTests {
    struct Golden: Decodable {
        struct Case: Decodable {
            var options: GenerationConfig
            var results: [Result?]
        }

        struct Result: Decodable {
            var rows: [[Int]]
            var scores: [Float]?
        }

        var pieces: [String]
        var first: [[Float]]
        var second: [[Float]]
        var prompts: [[Int]]
        var cases: [Case]
    }

    static let padTokenId = 23
    let golden: Golden

    init() throws {
        golden = try JSONDecoder().decode(Golden.self, from: Fixtures.data("generation/decoding.json"))
    }

    private func session(_ prompts: [[Int]]) -> TableSession {
        TableSession(first: golden.first, second: golden.second, prompts: prompts)
    }

    private func decode(_ tokenIds: [Int]) -> String {
        tokenIds.map { golden.pieces[$0] }.joined()
    }

    /// Compares the results of one prompt, padded as transformers pads them.
    private func expect(_ results: [GenerationResult], equal expected: Golden.Result, _ comment: Comment) throws {
        #expect(results.paddedTokenIds(fillTokenId: Self.padTokenId) == expected.rows, comment)
        let scores = expected.scores ?? []
        #expect(results.compactMap(\.score).count == scores.count, comment)
        for (result, score) in zip(results, scores) {
            #expect(abs(try #require(result.score) - score) <= 1e-5 * max(1, abs(score)), comment)
        }
    }

    @Test func everyPromptAlone() throws {
        #expect(golden.cases.count > 450)
        for (number, example) in golden.cases.enumerated() {
            for (prompt, expected) in zip(golden.prompts, example.results) {
                guard let expected else { continue }
                let results = try session([prompt]).generate(example.options, decode: decode)
                try expect(results, equal: expected, "case \(number): \(example.options), prompt \(prompt)")
            }
        }
    }

    @Test func unequalPromptsInOneBatch() throws {
        for (number, example) in golden.cases.enumerated() where example.results.allSatisfy({ $0 != nil }) {
            let results = try session(golden.prompts).generate(example.options, decode: decode)
            for (index, expected) in example.results.enumerated() {
                let own = results.filter { $0.promptIndex == index }
                try expect(own, equal: try #require(expected), "case \(number): \(example.options), prompt \(index)")
            }
        }
    }

    @Test func differentRequestsInOneBatch() throws {
        // Greedy, beams of several widths, stop strings and constraints side by side.
        for offset in stride(from: 0, to: golden.cases.count - 40, by: 40) {
            let examples = stride(from: offset, to: offset + 40, by: 7).map { golden.cases[$0] }
                .filter { $0.results[0] != nil }
            let session = session(examples.map { _ in golden.prompts[0] })
            let requests = examples.map {
                GenerationRequest(promptTokenIds: golden.prompts[0], config: $0.options)
            }
            let results = try Generator(
                session: session,
                requests: requests,
                promptLogits: session.promptLogits,
                decode: decode
            ).run()
            for (index, example) in examples.enumerated() {
                let own = results.filter { $0.promptIndex == index }
                try expect(own, equal: try #require(example.results[0]), "\(example.options)")
            }
        }
    }
}
