// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsGeneration
import Testing

@Suite struct ContinuationScoreTests {
    @Test func sumAndTokens() throws {
        let logits: [Float] = [1, 2, 3, 0, 0, 0]
        let score = try ContinuationScore(tokenIds: [2, 1], logits: logits, vocabSize: 3)
        let first = 3 - log(exp(1.0) + exp(2.0) + exp(3.0))
        #expect(abs(Double(score.logProbs[0]) - first) < 1e-6)
        #expect(abs(Double(score.logProbs[1]) + log(3.0)) < 1e-6)
        #expect(abs(score.sum - first + log(3.0)) < 1e-6)
        #expect(!score.isGreedy)
        #expect(try ContinuationScore(tokenIds: [2, 0], logits: logits, vocabSize: 3).isGreedy)
        let empty = try ContinuationScore(tokenIds: [], logits: [], vocabSize: 3)
        #expect(empty.sum == 0 && empty.logProbs.isEmpty && empty.isGreedy)
    }

    @Test func anExcludedTokenIsImpossible() throws {
        let score = try ContinuationScore(tokenIds: [1], logits: [0, -.infinity], vocabSize: 2)
        #expect(score.sum == -.infinity && !score.isGreedy)
    }

    @Test func badArguments() {
        #expect(throws: GenerationError.logitsCount(expected: 4, found: 3)) {
            try ContinuationScore(tokenIds: [0, 1], logits: [1, 2, 3], vocabSize: 2)
        }
        for tokenId in [-1, 2, Int.max] {
            #expect(throws: GenerationError.self) {
                try ContinuationScore(tokenIds: [tokenId], logits: [1, 2], vocabSize: 2)
            }
        }
        #expect(throws: GenerationError.noCandidateToken(prompt: 0, position: 0)) {
            try ContinuationScore(tokenIds: [0], logits: [.nan, 2], vocabSize: 2)
        }
        #expect(throws: GenerationError.self) { try ContinuationScore(tokenIds: [0], logits: [], vocabSize: 0) }
    }
}
