// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsGeneration
import IdeficsImages
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// f7: prompts with pictures in, text out, as transformers 5.23 answers them.
@Suite struct EndToEndTests {
    static let names = ["docs_example", "batch_3_1_0", "text_only_batch", "chat_model_card_style"]

    static func prompt(_ name: String) throws -> GoldenJSON {
        let cases = try #require(GoldenJSON("processor/tiny_instruct.json").prompts).elements
        return try #require(cases.first { $0.name?.string == name })
    }

    @Test(arguments: names)
    func textAndTokens(name: String) async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let golden = try #require(GoldenJSON("f7-e2e/golden/golden.json")[name])
        let item = try Self.prompt(name)
        let prompts = ProcessorParityTests.prompts(item)
        let options = ProcessorParityTests.options(item)
        for (kind, beams) in [("greedy", 1), ("beam3", 3)] {
            var config = GenerationConfig()
            config.maxNewTokens = beams == 1 ? golden.max_new_tokens?.int : golden.beam3_max_new_tokens?.int
            config.eosTokenId = golden.eos_token_id?.ints ?? []
            config.badWordsIds = golden.bad_words_ids?.rows ?? []
            config.padTokenId = 0
            config.numBeams = beams
            var streamed = Array(repeating: "", count: prompts.count)
            var finished: [GenerationInfo] = []
            for try await event in container.generate(prompts, config: config, options: options) {
                switch event {
                case .text(let text, let promptIndex, _): streamed[promptIndex] += text
                case .finished(let info): finished.append(info)
                }
            }
            finished.sort { $0.promptIndex < $1.promptIndex }
            let rows = try #require(golden[kind]?.rows)
            for (info, row) in zip(finished, rows) {
                let length = (item.input_ids?.rows?[info.promptIndex].count) ?? 0
                let expected = Array(row[length...])
                let fill = Array(repeating: config.fillTokenId ?? 0, count: expected.count - info.tokenIds.count)
                #expect(info.tokenIds + fill == expected, "\(kind)")
            }
            #expect(finished.count == rows.count)
            if beams == 1 {
                #expect(finished.map(\.text) == golden.greedy_new_text?.strings)
            } else {
                let scores = try #require(golden.beam3_scores?.floats)
                #expect(maxDifference(finished.compactMap(\.score), scores) <= 1e-4)
            }
        }
    }

    @Test(arguments: names)
    func lastLogits(name: String) async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let item = try Self.prompt(name)
        let processor = try #require(container.processor)
        let inputs = try await processor.prepare(
            ProcessorParityTests.prompts(item),
            options: ProcessorParityTests.options(item)
        )
        let expected = try Golden("f7-e2e/golden/e2e.safetensors").tensor("\(name).last_logits").floatArray()
        let found = try IdeficsSession(container.model).start(inputs).floatArray()
        let difference = maxDifference(found, expected)
        print("parity f7 \(name): last logits \(difference)")
        #expect(difference <= 1e-4)
    }

    /// The sum of the scores is that of the forward pass, whether or not the cache was shared.
    @Test func scoresOfContinuations() async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let processor = try #require(container.processor)
        let image = Fixtures.url("processor/images/rgb.png")
        let prompt: Prompt = [.text("User:"), .image(.file(image)), .text("Describe")]
        let scores = try await container.score(prompt, continuations: [" this", " what is it", "</s>"])
        #expect(scores.count == 3)
        for (text, score) in zip([" this", " what is it", "</s>"], scores) {
            var whole = prompt
            whole.items[2] = .text("Describe" + text)
            let inputs = try await processor.prepare([whole])
            let logits = try container.model.forward(inputs).logits
            let ids = try #require(inputs.inputIds.intArray())
            let width = logits.shape[2]
            let first = ids.count - score.logProbs.count
            let reference = try ContinuationScore(
                tokenIds: Array(ids[first...]),
                logits: Array(logits.floatArray()[(first - 1) * width..<(ids.count - 1) * width]),
                vocabSize: width
            )
            #expect(maxDifference(score.logProbs, reference.logProbs) <= 1e-5)
        }
    }

    /// A conversation gives the same answers as the whole text from scratch, and goes on from its cache.
    @Test func chatKeepsItsCache() async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        var config = container.chatConfig
        config.maxNewTokens = 6
        let chat = ChatSession(container, config: config)
        let image = ImageSource.file(Fixtures.url("processor/images/rgb.png"))
        let first = try await chat.respond(to: "What is this?", images: [image])
        let second = try await chat.respond(to: "And now?")
        let fresh = ChatSession(try ModelContainer(directory: Fixtures.url("f7-e2e")), config: config)
        #expect(try await fresh.respond(to: "What is this?", images: [image]) == first)
        let other = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        let format = other.chatFormat
        #expect(format == .idefics(endOfUtterance: "<end_of_utterance>"))
        let options = format.processorOptions(over: .init())
        let prompt = Prompt(conversation: Array(chat.messages.dropLast()), format: format)
        var answer = ""
        for try await case .finished(let info) in other.generate(prompt, config: config, options: options) {
            answer = info.text
        }
        #expect(format.answer(in: answer) == second)
    }

    @Test func cancellingEndsTheStream() async throws {
        let container = try ModelContainer(directory: Fixtures.url("f7-e2e"))
        var config = GenerationConfig()
        config.maxNewTokens = 100_000
        var count = 0
        for try await _ in container.generate(["Hello"].map { Prompt([.text($0)]) }, config: config) {
            count += 1
            if count == 3 { break }
        }
        // The container serves the next call at once, so the abandoned one has ended.
        config.maxNewTokens = 2
        var finished = 0
        for try await case .finished in container.generate([.text("Hi")], config: config) { finished += 1 }
        #expect(finished == 1)
    }
}
