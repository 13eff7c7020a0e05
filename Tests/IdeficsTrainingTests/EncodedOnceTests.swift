// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTokenizers
import IdeficsTraining
import Testing

/// A tokenizer that counts how often it is asked to encode.
private final class CountingTokenizer: Tokenizer {
    private let base: any Tokenizer
    private let counter = Locked(0)
    var count: Int { counter.withLock(\.self) }

    init(_ base: any Tokenizer) { self.base = base }

    var vocabSize: Int { base.vocabSize }
    var bosToken: String? { base.bosToken }
    var eosToken: String? { base.eosToken }
    var unknownToken: String? { base.unknownToken }
    var padToken: String? { base.padToken }
    var additionalSpecialTokens: [String] { base.additionalSpecialTokens }
    var addsBosToken: Bool? { base.addsBosToken }
    var paddingSide: PaddingSide { base.paddingSide }
    var modelMaxLength: Int? { base.modelMaxLength }
    var chatTemplate: String? { base.chatTemplate }

    func encode(text: String, addSpecialTokens: Bool) -> [Int] {
        counter.withLock { $0 += 1 }
        return base.encode(text: text, addSpecialTokens: addSpecialTokens)
    }

    func encode(_ text: MarkedText, addSpecialTokens: Bool) -> [Int] {
        counter.withLock { $0 += 1 }
        return base.encode(text, addSpecialTokens: addSpecialTokens)
    }

    func encode(_ text: MarkedText, beginnings: [MarkedText]) -> TokenizedBeginnings {
        counter.withLock { $0 += 1 }
        return base.encode(text, beginnings: beginnings)
    }

    func decode(tokenIds: [Int], skipSpecialTokens: Bool) -> String {
        base.decode(tokenIds: tokenIds, skipSpecialTokens: skipSpecialTokens)
    }

    func convertTokenToId(_ token: String) -> Int? { base.convertTokenToId(token) }
    func convertIdToToken(_ tokenId: Int) -> String? { base.convertIdToToken(tokenId) }
}

@Suite struct EncodedOnceTests {
    private let fixture: TrainingFixture
    private let tokenizer: CountingTokenizer
    private let processor: IdeficsProcessor

    init() throws {
        fixture = try TrainingFixture()
        let plain = try ModelFiles(directory: TrainingFixture.model).processor()
        tokenizer = CountingTokenizer(plain.tokenizer)
        processor = try IdeficsProcessor(tokenizer: tokenizer, imageProcessor: plain.imageProcessor)
    }

    /// However many answers a conversation has, and however micro-batches are cut, an example is encoded once for each
    /// time it is used.
    @Test(arguments: [0, 40, 60])
    func examplesAreEncodedOnce(maxBatchTokens: Int) async throws {
        let file = try ExampleFile(path: fixture.folder.path("train.jsonl"))
        var config = TrainingConfig()
        config.perDeviceTrainBatchSize = 4
        config.maxBatchTokens = maxBatchTokens
        let source = try JSONLinesSource(
            TrainingData(file, processor: processor, config: DataConfig()),
            config: config
        )
        var position = source.start
        var (examples, batches) = (0, 0)
        while source.progress(at: position) < 2 {
            // One at a time, as steps ask for them.
            let slice = try await source.batches(from: position, count: 1) { Issue.record("\($0)") }
            examples += slice.batches.reduce(0) { $0 + $1.exampleCount }
            batches += slice.batches.count
            position = slice.end
        }
        #expect(examples == 2 * TrainingFixture.lines.count && batches > 3)
        #expect(tokenizer.count == examples)
    }

    /// The same position gives the same micro-batches, whatever was asked for before.
    @Test func positionsDecideAlone() async throws {
        let file = try ExampleFile(path: fixture.folder.path("train.jsonl"))
        var config = TrainingConfig()
        config.maxBatchTokens = 50
        let data = TrainingData(file, processor: processor, config: DataConfig())
        let source = try JSONLinesSource(data, config: config)
        let first = try await source.batches(from: source.start, count: 2) { _ in }
        let second = try await source.batches(from: first.end, count: 3) { _ in }
        _ = try await source.batches(from: source.start, count: 1) { _ in }
        let fresh = try JSONLinesSource(data, config: config)
        for source in [source, fresh] {
            let again = try await source.batches(from: first.end, count: 3) { _ in }
            #expect(again.end == second.end)
            for (a, b) in zip(again.batches, second.batches) {
                #expect(a.inputs.inputIds.intArray() == b.inputs.inputIds.intArray())
                #expect(a.labels.intArray() == b.labels.intArray())
            }
        }
    }
}
