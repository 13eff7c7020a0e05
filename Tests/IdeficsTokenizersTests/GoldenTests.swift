// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// The goldens of the processor: SentencePiece vocabularies laid out as Llama's.
@Suite struct GoldenTests {
    static let cases = [
        ("processor/tiny_base.json", "processor/tokenizer-tiny"),
        ("processor/tiny_instruct.json", "processor/tokenizer-tiny"),
        ("processor/tiny_instruct.json", "f7-e2e"),
        ("processor/mistral_base.json", "tokenizer-mistral"),
        ("processor/mistral_instruct.json", "tokenizer-mistral"),
    ]

    @Test(arguments: cases)
    func texts(golden: String, folder: String) throws {
        let golden = try Golden.load(golden)
        let tokenizers = try tokenizers(folder)
        #expect(tokenizers.count == 2)
        for tokenizer in tokenizers {
            for text in golden.texts ?? [] {
                #expect(tokenizer.encode(text: text.text, addSpecialTokens: false) == text.ids, "\(text.text)")
                #expect(tokenizer.encode(text: text.text) == text.withSpecial, "\(text.text)")
                for (id, token) in zip(text.ids, text.tokens ?? []) {
                    #expect(tokenizer.convertIdToToken(id).map { same($0, token) } == true)
                    #expect(tokenizer.convertTokenToId(token) == id)
                }
                #expect(same(tokenizer.decode(tokenIds: text.ids), text.decoded), "\(text.text)")
                let skipped = tokenizer.decode(tokenIds: text.ids, skipSpecialTokens: true)
                #expect(same(skipped, text.decodedSkippingSpecial), "\(text.text)")
                #expect(same(streamed(text.ids, tokenizer, skipSpecialTokens: true), text.decodedSkippingSpecial))
                #expect(same(streamed(text.ids, tokenizer, skipSpecialTokens: false), text.decoded))
            }
        }
    }

    @Test(arguments: cases)
    func prompts(golden: String, folder: String) throws {
        let golden = try Golden.load(golden)
        var compared = 0
        for tokenizer in try tokenizers(folder) {
            for prompt in golden.prompts ?? [] {
                for (row, text) in prompt.full_text.enumerated() {
                    let mask = prompt.attention_mask[row]
                    let expected = zip(prompt.input_ids[row], mask).filter { $0.1 == 1 }.map(\.0)
                    // Base models do not know <end_of_utterance>; their fixtures share the instruct files here.
                    if golden.texts == nil, text.contains("<end_of_utterance>") { continue }
                    let ids = tokenizer.encode(text: text, addSpecialTokens: false)
                    // Some prompts were truncated.
                    let isTruncated = ids.count > expected.count
                    #expect((isTruncated ? Array(ids.prefix(expected.count)) : ids) == expected, "\(prompt.name)")
                    let pads = zip(prompt.input_ids[row], mask).filter { $0.1 == 0 }.map(\.0)
                    #expect(pads.allSatisfy { $0 == tokenizer.padTokenId })
                    compared += 1
                }
            }
        }
        #expect(compared > 20)
    }

    @Test(arguments: ["tokenizer-mistral", "processor/tokenizer-tiny", "f7-e2e"])
    func specialTokens(folder: String) throws {
        for tokenizer in try tokenizers(folder) + [AutoTokenizer.from(directory: Fixtures.url(folder))] {
            let size = folder == "tokenizer-mistral" ? 32000 : 500
            #expect(tokenizer.vocabSize == size + 3)
            #expect(tokenizer.bosToken == "<s>" && tokenizer.bosTokenId == 1)
            #expect(tokenizer.eosToken == "</s>" && tokenizer.eosTokenId == 2)
            #expect(tokenizer.unknownToken == "<unk>" && tokenizer.unknownTokenId == 0)
            #expect(tokenizer.padToken == "<unk>" && tokenizer.padTokenId == 0)
            #expect(
                tokenizer.additionalSpecialTokens == ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
            )
            #expect(tokenizer.convertTokenToId("<image>") == size + 1)
            #expect(tokenizer.convertIdToToken(size + 2) == "<end_of_utterance>")
            #expect(tokenizer.paddingSide == .left)
            #expect(tokenizer.modelMaxLength == nil)
            #expect(tokenizer.chatTemplate == nil)
            #expect(tokenizer.convertIdToToken(size + 3) == nil)
            #expect(tokenizer.convertIdToToken(-1) == nil)
            #expect(tokenizer.convertTokenToId("no such token") == nil)
            #expect(same(tokenizer.decode(tokenIds: [-1, 1 << 40, size + 3]), ""))
        }
    }

    /// What the reference's `generate` gave, decoded: random weights make many ill-formed runs of byte tokens.
    @Test func generatedText() throws {
        struct Case: Decodable {
            var greedy: [[Int]]?
            var greedy_text: [String]?
        }
        struct AnyCase: Decodable {
            var value: Case?

            init(from decoder: any Decoder) {
                value = try? Case(from: decoder)
            }
        }
        let data = try Fixtures.data("f7-e2e/golden/golden.json")
        var compared = 0
        for tokenizer in try tokenizers("f7-e2e") {
            for (name, entry) in try JSONDecoder().decode([String: AnyCase].self, from: data) {
                for (ids, text) in zip(entry.value?.greedy ?? [], entry.value?.greedy_text ?? []) {
                    #expect(same(tokenizer.decode(tokenIds: ids, skipSpecialTokens: true), text), "\(name)")
                    #expect(same(streamed(ids, tokenizer, skipSpecialTokens: true), text), "\(name)")
                    compared += 1
                }
            }
        }
        #expect(compared >= 8)
    }

    /// The two formats must agree on any text, not only on the goldens.
    @Test(arguments: ["tokenizer-mistral", "processor/tokenizer-tiny"])
    func formatsAgree(folder: String) throws {
        let tokenizers = try tokenizers(folder)
        var random = SeededGenerator(seed: 7)
        let parts = [
            "the", " ", "  ", "▁", "\n", "<s>", "</s>", "<image>", "é", "e\u{301}", "中文", "😀", "👩‍👩‍👧", "1", "23", "\u{0}",
            "<0x41>", "<unk>", "ing", "Assistant:", "a", "b", "\u{10FFFF}", ".", "\t", "ab", "aaaa", "ﬁ",
        ]
        for _ in 0..<500 {
            let text = (0..<Int.random(in: 1..<30, using: &random)).map { _ in
                parts.randomElement(using: &random) ?? ""
            }.joined()
            let ids = tokenizers[0].encode(text: text)
            #expect(ids == tokenizers[1].encode(text: text), "\(text.debugDescription)")
            let decoded = tokenizers[0].decode(tokenIds: ids)
            #expect(same(decoded, tokenizers[1].decode(tokenIds: ids)))
            #expect(same(decoded, streamed(ids, tokenizers[1], skipSpecialTokens: false)))
        }
    }
}
