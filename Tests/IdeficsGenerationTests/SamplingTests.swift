// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsGeneration
import Testing

@Suite struct SamplingTests {
    private func config(_ change: (inout GenerationConfig) -> Void = { _ in }) -> GenerationConfig {
        var config = GenerationConfig(maxNewTokens: 12, doSample: true, eosTokenId: [0], seed: 7)
        config.topK = 0
        change(&config)
        return config
    }

    private func session(_ prompts: [[Int]]) -> TableSession {
        .random(vocabSize: 16, seed: 21, prompts: prompts)
    }

    @Test func drawsFollowTheDistribution() throws {
        let table = session([[3]])
        let logits = table.promptLogits.map { Double($0) / 1.3 }
        let total = logits.reduce(0) { $0 + exp($1) }
        var counts = Array(repeating: 0.0, count: 16)
        let draws = 1000
        for seed in 0..<20 as Range<UInt64> {
            let config = config {
                ($0.seed, $0.maxNewTokens, $0.numReturnSequences, $0.temperature) = (seed, 1, draws, 1.3)
            }
            for result in try session([[3]]).generate(config) {
                counts[result.tokenIds[0]] += 1
            }
        }
        let all = Double(20 * draws)
        let chiSquare = zip(logits, counts).reduce(0) { sum, pair in
            let expected = exp(pair.0) / total * all
            return sum + (pair.1 - expected) * (pair.1 - expected) / expected
        }
        // 15 degrees of freedom: 37.7 is exceeded by one fair generator in a thousand (the seeds are fixed).
        #expect(chiSquare < 37.7)
    }

    @Test func aSeedGivesTheSameSamplesAgain() throws {
        let config = config { $0.numReturnSequences = 5 }
        let results = try session([[3, 1]]).generate(config)
        #expect(results == (try session([[3, 1]]).generate(config)))
        #expect(Set(results.map(\.tokenIds)).count == 5)
        let other = try session([[3, 1]]).generate(self.config { ($0.numReturnSequences, $0.seed) = (5, 8) })
        #expect(results != other)
    }

    @Test func theBatchDoesNotMatter() throws {
        let prompts = [[3, 1], [4], [2, 2, 9], [5, 15]]
        for numBeams in [1, 3] {
            let config = config { ($0.numReturnSequences, $0.numBeams, $0.topP) = (3, numBeams, 0.9) }
            let batch = try session(prompts).generate(config)
            for (index, prompt) in prompts.enumerated() {
                let alone = try session([prompt]).generate(config)
                #expect(batch.filter { $0.promptIndex == index }.map(\.tokenIds) == alone.map(\.tokenIds))
                #expect(batch.filter { $0.promptIndex == index }.map(\.score) == alone.map(\.score))
            }
        }
        // Fewer samples are the first of many.
        let many = try session([[4]]).generate(config { $0.numReturnSequences = 6 })
        let few = try session([[4]]).generate(config { $0.numReturnSequences = 2 })
        #expect(few == Array(many.prefix(2)))
    }

    @Test func withoutASeedSamplesDiffer() throws {
        let config = config { ($0.seed, $0.eosTokenId, $0.numReturnSequences) = (nil, [], 4) }
        #expect(try session([[3]]).generate(config) != (try session([[3]]).generate(config)))
    }

    @Test func topKOneIsGreedy() throws {
        let greedy = try session([[3], [7, 7]]).generate(config { $0.doSample = false })
        let sampled = try session([[3], [7, 7]]).generate(config { $0.topK = 1 })
        #expect(greedy == sampled)
    }

    /// With one step the beams of beam sampling are draws without replacement from one distribution: the chance of an
    /// ordered pair is p(a)·p(b)/(1 − p(a)).
    @Test func beamSamplingDrawsWithoutReplacement() throws {
        let first: [[Float]] = Array(repeating: [0, 1, 2, 0.5], count: 4)
        let second = Array(repeating: Array(repeating: Float(0), count: 4), count: 4)
        let weights = first[0].map { exp(Double($0)) }
        let total = weights.reduce(0, +)
        var counts: [[Int]: Double] = [:]
        let runs = 4000
        for seed in 0..<UInt64(runs) {
            let config = config {
                ($0.seed, $0.maxNewTokens, $0.numBeams, $0.numReturnSequences, $0.eosTokenId) = (seed, 1, 2, 2, [])
            }
            let session = TableSession(first: first, second: second, prompts: [[1]])
            let results = try session.generate(config)
            // Results are sorted by score, so a pair stands for both orders.
            counts[results.map { $0.tokenIds[0] }, default: 0] += 1
        }
        for (a, b) in [(2, 1), (2, 3), (2, 0), (1, 3), (1, 0), (3, 0)] {
            let (p, q) = (weights[a] / total, weights[b] / total)
            let expected = p * q / (1 - p) + q * p / (1 - q)
            let found = (counts[[a, b]] ?? 0) / Double(runs)
            #expect(abs(found - expected) < 4 * (expected / Double(runs)).squareRoot(), "\(a), \(b)")
        }
    }

    @Test func beamSamplingWithFewCandidates() throws {
        // Six candidates a step, two tokens above −∞ in each row: the rest comes from beams that are not alive.
        for seed in 0..<50 as Range<UInt64> {
            let config = config {
                ($0.seed, $0.numBeams, $0.numReturnSequences, $0.topK, $0.maxNewTokens) = (seed, 3, 3, 1, 6)
            }
            let results = try session([[3]]).generate(config)
            #expect(results.count == 3)
            #expect(results.allSatisfy { (1...6).contains($0.tokenIds.count) })
        }
    }
}
