// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsGeneration
import Testing

@Suite struct StopStringTests {
    private static let pieces: [[UInt8]] = [
        Array("<s>".utf8), Array("st".utf8), Array("op".utf8), Array("pped".utf8), Array("to".utf8), Array("s".utf8),
        Array("topper".utf8), Array("las".utf8), [0xC3], [0xA9], Array(" User".utf8), Array(":".utf8),
    ]

    private func decode(_ tokenIds: [Int]) -> String {
        String(decoding: tokenIds.flatMap { Self.pieces[$0] }, as: UTF8.self)
    }

    /// What is generated when the model wants to say `script` after `prompt`.
    private func run(_ prompt: [Int], _ script: [Int], stop: [String]) throws -> (tokenIds: [Int], reason: StopReason) {
        final class Script: DecodingSession {
            let script: [Int]
            var position = 0
            init(_ script: [Int]) { self.script = script }
            var vocabSize: Int { StopStringTests.pieces.count }
            var sequenceCount: Int { 1 }
            var logits: [Float] { (0..<vocabSize).map { $0 == script[position] ? 1 : 0 } }
            func step(tokenIds: [Int]) throws -> [Float] {
                position += 1
                return logits
            }
            func select(rows: [Int]) {}
        }
        let session = Script(script)
        var config = GenerationConfig(maxNewTokens: script.count)
        config.stopStrings = stop
        let request = GenerationRequest(promptTokenIds: prompt, config: config)
        let generator = try Generator(
            session: session,
            requests: [request],
            promptLogits: session.logits,
            decode: decode
        )
        let result = try #require(try generator.run().first)
        return (result.tokenIds, result.stopReason)
    }

    @Test func examplesOfTheReference() throws {
        for script in [[1, 2], [7, 6], [5, 4, 3]] {
            let result = try run([0], script + [0, 0], stop: ["stop"])
            #expect(result.tokenIds == script)
            #expect(result.reason == .stopString("stop"))
        }
    }

    @Test func aStopStringInThePromptDoesNotCount() throws {
        #expect(try run([1, 2], [7, 5, 7], stop: ["stop"]).reason == .length)
        // One that the first token completes does.
        #expect(try run([0, 1], [2, 7, 7], stop: ["stop"]).tokenIds == [2])
    }

    @Test func charactersOfSeveralTokens() throws {
        let result = try run([0], [7, 8, 9, 7], stop: ["é"])
        #expect(result.tokenIds == [7, 8, 9])
        #expect(try run([0], [8, 7, 8, 9, 5, 5], stop: ["és"]).tokenIds == [8, 7, 8, 9, 5])
        #expect(try run([0], [8, 7, 8, 8], stop: ["é"]).reason == .length)
    }

    @Test func theFirstOfSeveralIsReported() throws {
        #expect(try run([0], [7, 10, 11, 5], stop: ["x", " User:", ":"]).reason == .stopString(" User:"))
        #expect(try run([0], [7, 10, 11, 5], stop: ["x", ":", " User:"]).reason == .stopString(":"))
        // Special tokens have text too.
        #expect(try run([7], [5, 0, 5], stop: ["<s>"]).tokenIds == [5, 0])
    }
}
