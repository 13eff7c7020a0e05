// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsGeneration
import IdeficsTestSupport
import Testing

/// Each processor and warper, and whole chains, against transformers' (Tools/make_golden_generation.py).
@Suite struct ProcessorGoldenTests {
    struct Golden: Decodable {
        struct Case: Decodable {
            var kind: String
            var options: GenerationConfig
            var minTokensToKeep: Int
            var results: [[Float?]]

            private enum CodingKeys: String, CodingKey {
                case kind, options, results
            }

            private struct Extra: Decodable {
                var min_tokens_to_keep: Int?
            }

            init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: CodingKeys.self)
                kind = try container.decode(String.self, forKey: .kind)
                options = try container.decode(GenerationConfig.self, forKey: .options)
                minTokensToKeep = try container.decode(Extra.self, forKey: .options).min_tokens_to_keep ?? 1
                results = try container.decode([[Float?]].self, forKey: .results)
            }
        }

        var token_ids: [Int]
        var prompt_length: Int
        var rows: [[Float?]]
        var cases: [Case]
    }

    static let rowsWithTies = [4, 5, 7]

    private func processor(_ example: Golden.Case) throws -> any LogitsProcessor {
        let options = example.options
        let keep = example.minTokensToKeep
        return switch example.kind {
        case "top_k": TopKLogitsWarper(topK: options.topK, minTokensToKeep: keep)
        case "top_p": TopPLogitsWarper(topP: options.topP, minTokensToKeep: keep)
        case "min_p": MinPLogitsWarper(minP: try #require(options.minP), minTokensToKeep: keep)
        case "typical_p": TypicalLogitsWarper(mass: options.typicalP, minTokensToKeep: keep)
        case "temperature": TemperatureLogitsWarper(temperature: options.temperature)
        case "repetition_penalty": RepetitionPenaltyLogitsProcessor(penalty: options.repetitionPenalty)
        case "no_repeat_ngram_size": NoRepeatNGramLogitsProcessor(ngramSize: options.noRepeatNgramSize)
        case "bad_words_ids":
            NoBadWordsLogitsProcessor(badWordsIds: options.badWordsIds, eosTokenId: options.eosTokenId)
        case "min_length": MinLengthLogitsProcessor(minLength: options.minLength, eosTokenId: options.eosTokenId)
        case "min_new_tokens":
            MinNewTokensLengthLogitsProcessor(
                minNewTokens: try #require(options.minNewTokens),
                eosTokenId: options.eosTokenId
            )
        default: LogitsProcessorList(config: options)
        }
    }

    @Test func allCases() throws {
        let golden = try JSONDecoder().decode(Golden.self, from: Fixtures.data("generation/processors.json"))
        var context = TokenContext(promptTokenIds: Array(golden.token_ids.prefix(golden.prompt_length)))
        context.tokenIds = golden.token_ids
        #expect(golden.cases.count == 81)
        for example in golden.cases {
            let processor = try processor(example)
            for (number, (row, expected)) in zip(golden.rows, example.results).enumerated() {
                let before = row.map { $0 ?? -.infinity }
                var scores = before
                scores.withUnsafeMutableBufferPointer { processor.process($0, context: context) }
                let wanted: [Float]
                if ["temperature", "repetition_penalty", "chain"].contains(example.kind) {
                    wanted = expected.map { $0 ?? -.infinity }
                } else {
                    let kept = Set(expected.compactMap { $0.map { Int($0) } })
                    wanted = before.indices.map { kept.contains($0) ? before[$0] : -.infinity }
                }
                let comment: Comment =
                    "\(example.kind) \(example.options), keep \(example.minTokensToKeep), row \(number)"
                // Which of equal scores stays is left open by torch's sort, but not how many.
                #expect(scores.sorted() == wanted.sorted(), comment)
                if !Self.rowsWithTies.contains(number) {
                    #expect(scores == wanted, comment)
                }
            }
        }
    }

    @Test func tokenIdsOutsideTheVocabularyAreIgnored() {
        var context = TokenContext(promptTokenIds: [5, 99, 1])
        context.tokenIds += [99, 5, 99]
        var config = GenerationConfig()
        config.repetitionPenalty = 2
        config.noRepeatNgramSize = 2
        config.badWordsIds = [[70], [99, 71], [99, 1]]
        config.eosTokenId = [88]
        config.minNewTokens = 9
        var scores: [Float] = [1, 2, 3, 4, 5, 6]
        scores.withUnsafeMutableBufferPointer { LogitsProcessorList(config: config).process($0, context: context) }
        // 1 and 5 have followed 99 before, and the sequence ends in 99.
        #expect(scores == [1, -.infinity, 3, 4, 5, -.infinity])
    }
}
