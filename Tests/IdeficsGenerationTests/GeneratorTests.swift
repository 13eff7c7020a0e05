// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsGeneration
import Testing

@Suite struct GeneratorTests {
    /// A model that counts up: after q comes (q + 1) mod 10.
    private func counter(_ prompts: [[Int]]) -> TableSession {
        let first = (0..<10).map { last in (0..<10).map { Float($0 == (last + 1) % 10 ? 5 : 0) } }
        let second = Array(repeating: Array(repeating: Float(0), count: 10), count: 10)
        return TableSession(first: first, second: second, prompts: prompts)
    }

    private func generator(
        _ session: TableSession,
        _ config: GenerationConfig,
        logProbs: Bool = false,
        isCancelled: @escaping () -> Bool = { false },
        elapsedSeconds: (() -> Double)? = nil
    ) throws -> Generator {
        try Generator(
            session: session,
            requests: session.sequences.map {
                GenerationRequest(promptTokenIds: $0, config: config, reportsLogProbs: logProbs)
            },
            promptLogits: session.promptLogits,
            isCancelled: isCancelled,
            elapsedSeconds: elapsedSeconds
        )
    }

    @Test func finishedRowsLeaveTheSession() throws {
        let session = counter([[6], [1], [4]])
        let results = try session.generate(GenerationConfig(maxNewTokens: 6, eosTokenId: [8]))
        #expect(results.map(\.tokenIds) == [[7, 8], [2, 3, 4, 5, 6, 7], [5, 6, 7, 8]])
        #expect(results.map(\.stopReason) == [.stop(eosTokenId: 8), .length, .stop(eosTokenId: 8)])
        #expect(session.stepSizes == [3, 2, 2, 1, 1])
        #expect(session.selections == [[1, 2], [0]])
        #expect(
            results.paddedTokenIds(fillTokenId: 0) == [[7, 8, 0, 0, 0, 0], [2, 3, 4, 5, 6, 7], [5, 6, 7, 8, 0, 0]]
        )
    }

    /// As transformers' processors of the same names: also of the end, and whatever is not in the vocabulary is not there.
    @Test func suppressedTokens() throws {
        var config = GenerationConfig(maxNewTokens: 4, eosTokenId: [8])
        config.suppressTokens = [8, -1, 10, .max]
        #expect(try counter([[6]]).generate(config).map(\.tokenIds) == [[7, 0, 1, 2]])
        config.suppressTokens = []
        config.beginSuppressTokens = [7, -1]
        #expect(try counter([[6], [5]]).generate(config).map(\.tokenIds) == [[0, 1, 2, 3], [6, 7, 8]])
        config.numBeams = 2
        #expect(try counter([[6]]).generate(config)[0].tokenIds.first != 7)
    }

    @Test func tokensComeBeforeTheModelRunsAgain() throws {
        let session = counter([[1], [5]])
        let generator = try generator(session, GenerationConfig(maxNewTokens: 2), logProbs: true)
        var events = try #require(try generator.next())
        #expect(session.stepSizes.isEmpty)
        guard case .token(let token) = events[0] else {
            Issue.record("no token")
            return
        }
        #expect((token.promptIndex, token.returnIndex, token.tokenId) == (0, 0, 2))
        // One 5 among nine 0: log(e⁵ / (e⁵ + 9)).
        #expect(abs(try #require(token.logProb) + 0.058_870_8) < 1e-5)
        events = try #require(try generator.next())
        #expect(session.stepSizes == [2])
        #expect(events.count == 4)
        #expect(try generator.next() == nil)
        #expect(generator.results.map(\.tokenIds) == [[2, 3], [6, 7]])
        #expect(try generator.next() == nil)
        #expect(session.stepSizes == [2])
    }

    @Test(arguments: [1, 2]) func cancellation(numBeams: Int) throws {
        let session = counter([[1], [5]])
        var steps = 0
        let config = GenerationConfig(maxNewTokens: 50, numBeams: numBeams, eosTokenId: [8])
        let generator = try generator(session, config, isCancelled: { steps == 4 })
        while try generator.next() != nil {
            steps += 1
        }
        #expect(generator.results.map(\.tokenIds) == [[2, 3, 4, 5], [6, 7, 8]])
        #expect(generator.results.map(\.stopReason) == [.cancelled, .stop(eosTokenId: 8)])
        #expect(session.stepSizes.count == 3)
    }

    @Test(arguments: [1, 3]) func cancellationBeforeTheFirstStep(numBeams: Int) throws {
        let config = GenerationConfig(maxNewTokens: 5, numBeams: numBeams)
        let results = try generator(counter([[1]]), config, isCancelled: { true }).run()
        #expect(results.map(\.tokenIds) == [[]])
        #expect(results.map(\.stopReason) == [.cancelled])
    }

    @Test(arguments: [1, 2]) func timeLimit(numBeams: Int) throws {
        var config = GenerationConfig(maxNewTokens: 50, numBeams: numBeams)
        config.maxTime = 2.5
        var time = 0.0
        let results = try generator(
            counter([[1]]),
            config,
            elapsedSeconds: {
                time += 1
                return time
            }
        ).run()
        #expect(results.map(\.tokenIds) == [[2, 3, 4]])
        #expect(results.map(\.stopReason) == [.maxTime])
    }

    @Test func lengthLimits() throws {
        func lengths(_ change: (inout GenerationConfig) -> Void) throws -> [Int] {
            var config = GenerationConfig()
            change(&config)
            return try counter([[1], [1, 2, 3]]).generate(config).map(\.tokenIds.count)
        }
        #expect(try lengths { _ in } == [20, 20])
        #expect(try lengths { $0.maxLength = 7 } == [6, 4])
        #expect(try lengths { ($0.maxLength, $0.maxNewTokens) = (3, 5) } == [5, 5])
        #expect(throws: GenerationError.promptTooLong(prompt: 1, length: 3, maxLength: 3)) {
            try lengths { $0.maxLength = 3 }
        }
        // 4 ends a sequence but is held back; of the others, all equal, 0 is the first, and counting starts again.
        #expect(try lengths { ($0.eosTokenId, $0.minLength) = ([4], 6) } == [7, 5])
        #expect(try lengths { ($0.eosTokenId, $0.minNewTokens, $0.minLength) = ([4], 2, 100) } == [3, 5])
    }

    @Test func everythingExcluded() throws {
        var config = GenerationConfig(maxNewTokens: 50)
        config.noRepeatNgramSize = 1
        for (doSample, numBeams) in [(false, 1), (true, 1)] {
            (config.doSample, config.numBeams) = (doSample, numBeams)
            let generator = try generator(counter([[1]]), config)
            #expect(throws: GenerationError.noCandidateToken(prompt: 0, position: 9)) { try generator.run() }
            #expect(try generator.next() == nil)
        }
        // Beams carry −∞ to the end, as the reference does, without a trap.
        (config.doSample, config.numBeams) = (false, 2)
        _ = try? counter([[1]]).generate(config)
        (config.doSample, config.numBeams) = (true, 2)
        _ = try? counter([[1]]).generate(config)
    }

    @Test func brokenLogits() throws {
        for value in [Float.nan, -.infinity] {
            for (doSample, numBeams) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
                let session = counter([[1]])
                let config = GenerationConfig(maxNewTokens: 5, doSample: doSample, numBeams: numBeams)
                let request = GenerationRequest(promptTokenIds: [1], config: config)
                let logits = Array(repeating: value, count: 10)
                let generator = try Generator(session: session, requests: [request], promptLogits: logits)
                #expect(throws: GenerationError.noCandidateToken(prompt: 0, position: 0)) { try generator.run() }
            }
        }
    }

    @Test func badArguments() {
        let session = counter([[1]])
        let request = GenerationRequest(promptTokenIds: [1], config: GenerationConfig())
        #expect(throws: GenerationError.sequenceCount(expected: 2, found: 1)) {
            try Generator(session: session, requests: [request, request], promptLogits: [])
        }
        #expect(throws: GenerationError.logitsCount(expected: 10, found: 9)) {
            try Generator(session: session, requests: [request], promptLogits: Array(repeating: 0, count: 9))
        }
        var bad = request
        bad.config.badWordsIds = [[1], [2, 10]]
        #expect(throws: GenerationError.tokenIdOutOfVocabulary(option: "bad_words_ids", tokenId: 10, vocabSize: 10)) {
            try Generator(session: session, requests: [bad], promptLogits: session.promptLogits)
        }
        bad = request
        bad.config.stopStrings = ["x"]
        #expect(throws: GenerationError.stopStringsNeedDecoder) {
            try Generator(session: session, requests: [bad], promptLogits: session.promptLogits)
        }
    }

    private struct Ban: LogitsProcessor {
        let tokenId: Int

        func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
            scores[tokenId] = -.infinity
        }
    }

    @Test func processorsOfTheCaller() throws {
        let session = counter([[1]])
        let config = GenerationConfig(maxNewTokens: 3)
        let request = GenerationRequest(promptTokenIds: [1], config: config, logitsProcessors: [Ban(tokenId: 3)])
        let results = try Generator(session: session, requests: [request], promptLogits: session.promptLogits).run()
        #expect(results.map(\.tokenIds) == [[2, 0, 1]])
    }
}
