// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsImages
import IdeficsTestSupport
import IdeficsTokenizers
import IdeficsTraining
import Testing

@Suite struct DataTests {
    private let processor: IdeficsProcessor

    init() throws {
        processor = try ModelFiles(directory: TrainingFixture.model).processor()
    }

    private func encode(_ line: String, _ config: DataConfig = DataConfig()) throws -> EncodedExample {
        let example = try TrainingExample(json: Data(line.utf8), folder: Fixtures.url("processor/images"))
        return try EncodedExample(example, processor: processor, config: config)
    }

    private func text(_ example: EncodedExample) -> String {
        processor.tokenizer.decode(tokenIds: example.tokenIds)
    }

    /// Runs of tokens that count, as text.
    private func targets(_ example: EncodedExample, _ tokenizer: any Tokenizer) -> [String] {
        var runs: [[Int]] = []
        var isInRun = false
        for (id, isTarget) in zip(example.tokenIds, example.isTarget) {
            if isTarget { if isInRun { runs[runs.count - 1].append(id) } else { runs.append([id]) } }
            isInRun = isTarget
        }
        return runs.map { tokenizer.decode(tokenIds: $0, skipSpecialTokens: false) }
    }

    @Test func answersCountAndNothingElse() throws {
        let example = try encode(TrainingFixture.lines[1])
        #expect(
            text(example).filter { $0 != " " }
                == "<s>User:<fake_token_around_image><image><fake_token_around_image>Whatisit?"
                + "<end_of_utterance>\nAssistant:Aphoto.<end_of_utterance>\nUser:Sure?<end_of_utterance>\n"
                + "Assistant:Yes.<end_of_utterance>\n"
        )
        #expect(
            targets(example, processor.tokenizer).map { $0.trimmingCharacters(in: .whitespaces) }
                == ["A photo.<end_of_utterance>", "Yes.<end_of_utterance>"]
        )
        // What comes before an answer is, id for id, the prompt that chat asks with.
        let first = try #require(example.isTarget.firstIndex(of: true))
        let prompt = Prompt(
            conversation: [ChatMessage(role: .user, items: [.image(.file(URL(filePath: "x"))), .text("What is it?")])],
            format: processor.chatFormat
        )
        let options = processor.chatFormat.processorOptions(over: .init())
        let ids = processor.tokenizer.encode(
            text: processor.text(of: prompt, options: options),
            addSpecialTokens: false
        )
        #expect(Array(example.tokenIds[..<first]) == ids)
    }

    @Test func everythingCountsWhenAsked() throws {
        var config = DataConfig()
        config.loss = .all
        let fake = processor.tokenizer.convertTokenToId("<fake_token_around_image>")
        let image = processor.tokenizer.convertTokenToId("<image>")
        let example = try encode(TrainingFixture.lines[0], config)
        for (id, isTarget) in zip(example.tokenIds, example.isTarget) {
            #expect(isTarget == (id != fake && id != image))
        }
        config.imageTokensInLoss = true
        #expect(try encode(TrainingFixture.lines[0], config).isTarget.allSatisfy { $0 })
    }

    @Test func documentsCountWholeAndEnd() throws {
        let example = try encode(TrainingFixture.lines[2])
        #expect(text(example).hasSuffix("a picture in it.</s>") && example.images.count == 1)
        #expect(example.isTarget.count { !$0 } == 3)
        #expect(text(try encode(TrainingFixture.lines[3])).hasPrefix("<s><fake_token_around_image><image>"))
    }

    @Test func longExamplesAreCut() throws {
        var config = DataConfig()
        config.maxTokens = 5
        let example = try encode(TrainingFixture.lines[5], config)
        #expect(example.tokenIds.count == 5 && example.isTarget.count == 5)
    }

    /// ChatML, where tokens end turns, on a tokenizer of bytes that merge over the boundaries of messages.
    @Test func answersOfChatML() throws {
        let config: [String: Any] = [
            "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>",
            "pad_token": "<|im_end|>", "tokenizer_class": "GPT2Tokenizer", "add_bos_token": false,
            "additional_special_tokens": ["<fake_token_around_image>", "<image>"],
            "chat_template": "<|im_start|>",
        ]
        let tokenizer = try AutoTokenizer.from(
            bytes: Array(Fixtures.data("tokenizer-bytelevel/tokenizer.json")),
            isJSON: true,
            tokenizerConfig: Array(JSONSerialization.data(withJSONObject: config))
        )
        let processor = try IdeficsProcessor(tokenizer: tokenizer, imageProcessor: IdeficsImageProcessor())
        #expect(processor.chatFormat == .chatML(defaultSystem: nil))
        let line =
            #"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"\nthe end  "},"#
            + #"{"role":"user","content":"b"},{"role":"assistant","content":"of it"}]}"#
        let example = try EncodedExample(
            TrainingExample(json: Data(line.utf8), folder: Fixtures.root),
            processor: processor,
            config: DataConfig()
        )
        // A merge of the header's line break with the answer's would make the first answer one token longer or shorter.
        let runs = targets(example, tokenizer)
        #expect(runs.count == 2)
        #expect(runs.first?.hasSuffix("the end  <|im_end|>") == true, "\(runs)")
        #expect(runs.last == "of it<|im_end|>", "\(runs)")
    }

    @Test(arguments: [
        ("{", ""), ("{}", "messages"), (#"{"messages":[{"role":"boss","content":"x"}]}"#, "messages[0].role"),
        (#"{"messages":[{"content":"x"}]}"#, "messages[0].role"), (#"{"messages":[]}"#, "nothing"),
        (#"{"document":[{"type":"video","text":"x"}]}"#, "video"), (#"{"image":"a.png"}"#, "text"), ("7", ""),
    ])
    func badLinesAreNamed(line: String, part: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(Array("{\"text\":\"good\"}\n\n\(line)\n".utf8), "a.jsonl")
        let error = #expect(throws: TrainingError.self) { try ExampleFile(path: folder.path("a.jsonl")) }
        guard case .data(let file, 3, let reason) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(file == folder.path("a.jsonl") && (part.isEmpty || reason.contains(part)), "\(reason)")
        var skip = DataConfig()
        skip.badLines = .skip
        let skipping = try ExampleFile(path: folder.path("a.jsonl"), config: skip)
        #expect(skipping.count == 1 && skipping.badLines == [error])
    }

    /// Lines of the fixture with bytes changed, cut and doubled: an example or an error, never the end of the process.
    @Test func damagedLinesAreExamplesOrErrors() throws {
        let folder = try TemporaryFolder()
        var random = SeededGenerator(seed: 4)
        var (good, bad) = (0, 0)
        for round in 0..<600 {
            var bytes = Array(TrainingFixture.lines[round % TrainingFixture.lines.count].utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
                default: bytes.insert(contentsOf: Array("<image></s><end_of_utterance>".utf8), at: place)
                }
            }
            do {
                try folder.write(bytes.filter { $0 != 10 }, "a.jsonl")
                let example = try ExampleFile(path: folder.path("a.jsonl")).example(0)
                let encoded = try EncodedExample(example, processor: processor, config: DataConfig())
                #expect(encoded.tokenIds.count == encoded.isTarget.count && !encoded.tokenIds.isEmpty)
                good += 1
            } catch is TrainingError {
                bad += 1
            } catch is ExampleProblem {
                bad += 1
            }
        }
        #expect(good > 50 && bad > 50)
    }

    /// Text that says `<image>` where there is none: the token sees nothing, and the batch is computed.
    @Test func imageTokensWithoutImagesAreHarmless() async throws {
        let fixture = try TrainingFixture()
        try fixture.write([#"{"text":"An <image> of nothing"}"#, TrainingFixture.lines[3]], to: "train.jsonl")
        #expect(try await fixture.trainer(fixture.recipe(["trainer.maxSteps=2"])).run() == .finished)
    }

    @Test func filesWithoutExamplesAreRefused() throws {
        let folder = try TemporaryFolder()
        try folder.write(Array("\n \n".utf8), "a.jsonl")
        #expect(throws: TrainingError.self) { try ExampleFile(path: folder.path("a.jsonl")) }
        #expect(throws: TrainingError.self) { try ExampleFile(path: folder.path("none.jsonl")) }
    }

    @Test func ordersDependOnSeedAndEpochAlone() throws {
        let fixture = try TrainingFixture()
        let file = try ExampleFile(path: fixture.folder.path("train.jsonl"))
        var config = DataConfig()
        let data = TrainingData(file, processor: processor, config: config)
        let orders = (0..<8).map { data.order(epoch: $0, seed: 1) }
        #expect(orders.allSatisfy { $0.sorted() == Array(0..<6) })
        #expect(Set(orders).count > 4)
        #expect(orders[3] == data.order(epoch: 3, seed: 1))
        #expect((0..<8).map { data.order(epoch: $0, seed: 2) } != orders)
        config.shuffle = false
        #expect(TrainingData(file, processor: processor, config: config).order(epoch: 3, seed: 1) == Array(0..<6))
    }

    @Test func batchesKeepToTheirBudget() throws {
        let fixture = try TrainingFixture()
        let file = try ExampleFile(path: fixture.folder.path("train.jsonl"))
        let data = TrainingData(file, processor: processor, config: DataConfig())
        var position = ExamplePosition()
        var ahead: IndexedExample?
        var seen: [Int] = []
        while position.epoch == 0 {
            let batch = try data.next(
                &position,
                order: Array(0..<6),
                maxExamples: 3,
                maxTokens: 60,
                ahead: &ahead,
                skipped: { _ in }
            )
            let tokens = batch.map(\.example.tokenIds.count)
            #expect(!batch.isEmpty && batch.count <= 3 && (batch.count == 1 || tokens.reduce(0, +) <= 60))
            seen += batch.map(\.index)
        }
        #expect(seen == Array(0..<6))
    }
}
