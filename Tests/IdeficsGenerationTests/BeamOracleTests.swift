// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsGeneration
import Testing

/// Beam search against independent answers: exhaustive enumeration, and a plain search written another way.
@Suite struct BeamOracleTests {
    /// Every sequence that ends with an eos or has the full length, with its normalised score, best first.
    private func enumerate(
        _ session: TableSession,
        prompt: [Int],
        length: Int,
        eos: Set<Int>,
        penalty: Double
    ) -> [(tokenIds: [Int], score: Double)] {
        var complete: [(tokenIds: [Int], score: Double)] = []
        var open: [(tokenIds: [Int], score: Double)] = [([], 0)]
        for position in 1...length {
            var next: [(tokenIds: [Int], score: Double)] = []
            for sequence in open {
                let logits = session.logits(after: prompt + sequence.tokenIds).map(Double.init)
                let total = log(logits.reduce(0) { $0 + exp($1) })
                for (tokenId, logit) in logits.enumerated() {
                    let longer = (sequence.tokenIds + [tokenId], sequence.score + logit - total)
                    if eos.contains(tokenId) || position == length {
                        complete.append((longer.0, longer.1 / pow(Double(position), penalty)))
                    } else {
                        next.append(longer)
                    }
                }
            }
            open = next
        }
        return complete.sorted { $0.score > $1.score }
    }

    @Test(arguments: [0.0, 0.5, 1, 2], [[], [0], [0, 3]])
    func wideBeamsAreExhaustive(penalty: Double, eos: [Int]) throws {
        for seed in 0..<6 as Range<UInt64> {
            let session = TableSession.random(vocabSize: 4, seed: seed, prompts: [[1], [2, 3]])
            var config = GenerationConfig(maxNewTokens: 4, numBeams: 300, eosTokenId: eos)
            config.lengthPenalty = penalty
            config.numReturnSequences = 10
            config.earlyStopping = .never
            // Room for every sequence there is, so nothing is pruned.
            let results = try session.generate(config)
            for (index, prompt) in [[1], [2, 3]].enumerated() {
                let expected = enumerate(session, prompt: prompt, length: 4, eos: Set(eos), penalty: penalty)
                let own = results.filter { $0.promptIndex == index }
                for (result, best) in zip(own, expected) {
                    #expect(result.tokenIds == best.tokenIds)
                    #expect(abs(Double(try #require(result.score)) - best.score) < 1e-5)
                }
            }
        }
    }

    @Test func scoresAreThoseOfTheSequences() throws {
        for numBeams in [2, 3, 5] {
            let session = TableSession.random(vocabSize: 12, seed: UInt64(numBeams), prompts: [[1, 5]])
            var config = GenerationConfig(maxNewTokens: 9, numBeams: numBeams, eosTokenId: [0, 4])
            config.numReturnSequences = numBeams
            config.lengthPenalty = 0.8
            let results = try session.generate(config)
            #expect(results.count == numBeams)
            #expect(results.compactMap(\.score) == results.compactMap(\.score).sorted(by: >))
            #expect(Set(results.map(\.tokenIds)).count == numBeams)
            for result in results {
                var sequence = [1, 5]
                var rows: [Float] = []
                for tokenId in result.tokenIds {
                    rows += session.logits(after: sequence)
                    sequence.append(tokenId)
                }
                let score = try ContinuationScore(tokenIds: result.tokenIds, logits: rows, vocabSize: 12)
                let expected = score.sum / pow(Double(result.tokenIds.count), 0.8)
                #expect(abs(Double(try #require(result.score)) - expected) < 1e-5)
            }
        }
    }

    @Test func beamsStayInTheirPromptsRows() throws {
        let session = TableSession.random(vocabSize: 12, seed: 5, prompts: [[1], [2], [3]])
        var config = GenerationConfig(maxNewTokens: 6, numBeams: 3, eosTokenId: [0])
        config.earlyStopping = true
        _ = try session.generate(config)
        #expect(session.selections.first == [0, 0, 0, 1, 1, 1, 2, 2, 2])
        #expect(session.stepSizes.allSatisfy { [3, 6, 9].contains($0) })
        #expect(session.stepSizes == session.stepSizes.sorted(by: >))
    }

    @Test func moreCandidatesThanTokens() {
        let session = TableSession.random(vocabSize: 4, seed: 5, prompts: [[1]])
        let config = GenerationConfig(maxNewTokens: 6, numBeams: 2, eosTokenId: [0, 1, 2, 3])
        #expect(throws: GenerationError.vocabularyTooSmall(vocabSize: 8, candidates: 10)) {
            try session.generate(config)
        }
    }
}
