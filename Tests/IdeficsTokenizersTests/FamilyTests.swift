// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// What tokenizers of other Llama families have and IDEFICS' own has not; ids are those of transformers 4.57 and 5.24.
@Suite struct FamilyTests {
    /// A fixture's `tokenizer.json` with some keys changed.
    private func tokenizer(
        _ fixture: String,
        replacing changes: [String: Any] = [:],
        config: [String: Any] = [:]
    ) throws -> any Tokenizer {
        let file = try Fixtures.data("\(fixture)/tokenizer.json")
        var json = try #require(JSONSerialization.jsonObject(with: file) as? [String: Any])
        json.merge(changes) { _, new in new }
        return try AutoTokenizer.from(
            bytes: Array(JSONSerialization.data(withJSONObject: json)),
            isJSON: true,
            tokenizerConfig: Array(JSONSerialization.data(withJSONObject: config))
        )
    }

    private func ids(_ text: String, _ tokenizer: any Tokenizer) -> [Int] {
        tokenizer.encode(text: text, addSpecialTokens: false)
    }

    // MARK: - Normal forms of Unicode

    @Test(arguments: [
        ("NFC", "e\u{301} \u{212B} \u{FB01} \u{1100}\u{1161}", "\u{E9} \u{C5} \u{FB01} \u{AC00}"),
        ("NFD", "\u{E9} \u{FB01} \u{AC00}", "e\u{301} \u{FB01} \u{1100}\u{1161}"),
        ("NFKC", "e\u{301} \u{FB01} \u{FF21} \u{BD} \u{3000}x", "\u{E9} fi A 1\u{2044}2  x"),
        ("NFKD", "\u{E9}\u{FB01}\u{2460}", "e\u{301}fi1"),
        // What has no other form stays, zero bytes and half a character's worth of marks too.
        ("NFC", "plain\0 \u{301}\u{301} \u{1F600}\u{200D}\u{E000}", "plain\0 \u{301}\u{301} \u{1F600}\u{200D}\u{E000}"),
    ])
    func normalForms(form: String, text: String, same: String) throws {
        let normalizing = try tokenizer("tokenizer-bytelevel", replacing: ["normalizer": ["type": form]])
        let plain = try tokenizer("tokenizer-bytelevel")
        #expect(ids(text, normalizing) == ids(same, plain))
        #expect(normalizing.decode(tokenIds: ids(text, normalizing)).unicodeScalars.elementsEqual(same.unicodeScalars))
    }

    /// Before Llama's own steps, as in files whose SentencePiece model has `nfkc`.
    @Test func normalFormsInASequence() throws {
        let llama: [[String: Any]] = [
            ["type": "Prepend", "prepend": "\u{2581}"],
            ["type": "Replace", "pattern": ["String": " "], "content": "\u{2581}"],
        ]
        let normalizing = try tokenizer(
            "f7-e2e",
            replacing: ["normalizer": ["type": "Sequence", "normalizers": [["type": "NFKC"]] + llama]]
        )
        #expect(ids("\u{FF34}he cat", normalizing) == ids("The cat", try tokenizer("f7-e2e")))
    }

    /// Where a text is made of words and of structure, its forms are those of the whole.
    @Test func normalFormsOfMarkedTexts() throws {
        var text = MarkedText(markup: "ae")
        text.append(words: "\u{301} \u{FB01}<s>")
        text.append(markup: "\u{1100}")
        text.append(words: "\u{1161} x\r\n")
        for form in ["NFC", "NFD", "NFKC", "NFKD"] {
            let normalizing = try tokenizer("tokenizer-bytelevel", replacing: ["normalizer": ["type": form]])
            #expect(
                normalizing.encode(text, addSpecialTokens: false)
                    == ids("a\u{E9} \u{FB01}<s>\u{AC00} x\r\n", normalizing)
            )
        }
    }

    /// No chain of forms makes a text unreasonably long.
    @Test func chainsOfFormsAreBounded() {
        let steps = Array(repeating: ["type": "NFKD"], count: 3)
        #expect(throws: TokenizerError.self) {
            try tokenizer("f7-e2e", replacing: ["normalizer": ["type": "Sequence", "normalizers": steps]])
        }
    }

    // MARK: - Spaces before a text

    /// `"add_prefix_space": false` beside a `tokenizer.model`, with the legacy behaviour and without.
    @Test(arguments: [true, false])
    func noPrefixSpaceFromSentencePiece(legacy: Bool) throws {
        let tokenizer = try AutoTokenizer.from(
            bytes: Array(Fixtures.data("f7-e2e/tokenizer.model")),
            isJSON: false,
            tokenizerConfig: Array(#"{"legacy": \#(legacy), "add_prefix_space": false}"#.utf8)
        )
        #expect(ids("Hello world", tokenizer) == [75, 457, 470, 278, 343, 462, 349])
        #expect(ids("a</s> b", tokenizer) == [461, 2, 297])
        #expect(ids("</s>Human is Here", tokenizer) == [2, 75, 466, 366, 271, 456, 75, 266, 457])
        #expect(tokenizer.decode(tokenIds: ids(" Hello", tokenizer)) == " Hello")
    }

    @Test func noPrefixSpaceBesideLlamasJSON() throws {
        let config: [String: Any] = [
            "tokenizer_class": "LlamaTokenizer", "add_prefix_space": false, "bos_token": "<s>",
        ]
        let tokenizer = try self.tokenizer("f7-e2e", config: config)
        #expect(ids("Hello world", tokenizer) == [75, 457, 470, 278, 343, 462, 349])
        let always: [String: Any] = [
            "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": false,
        ]
        let other = try self.tokenizer(
            "f7-e2e",
            replacing: ["normalizer": NSNull(), "pre_tokenizer": always],
            config: config
        )
        #expect(ids("Hello world", other) == [75, 457, 470, 278, 343, 462, 349])
        // Of other classes the file alone decides.
        let generic = try self.tokenizer("f7-e2e", config: ["add_prefix_space": false])
        #expect(ids("Hello world", generic).first == 456)
    }

    @Test(arguments: [true, false])
    func prefixSpaceOfGPT2(inFile: Bool) throws {
        let step: [String: Any] = ["type": "ByteLevel", "add_prefix_space": inFile, "use_regex": true]
        func first(_ config: [String: Any]) throws -> [Int] {
            ids("Hello", try tokenizer("tokenizer-bytelevel", replacing: ["pre_tokenizer": step], config: config))
        }
        let with = [223, 42, 71, 312, 81]
        let without = [42, 71, 312, 81]
        #expect(try first(["tokenizer_class": "GPT2Tokenizer", "add_prefix_space": false]) == without)
        #expect(try first(["tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true]) == with)
        #expect(try first(["tokenizer_class": "PreTrainedTokenizerFast"]) == (inFile ? with : without))
        #expect(
            try first(["tokenizer_class": "GPT2Tokenizer", "add_prefix_space": NSNull()]) == (inFile ? with : without)
        )
    }
}
