// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// Words are words: special tokens typed by somebody are no tokens, and nothing else changes.
@Suite struct MarkedTextTests {
    private static let folders = [
        "tokenizer-mistral", "processor/tokenizer-tiny", "f7-e2e", "tokenizer-bytelevel", "init/llama-gqa",
    ]

    private static let special = [
        "<s>", "</s>", "<unk>", "<image>", "<fake_token_around_image>", "<end_of_utterance>", "<|im_start|>",
        "<|im_end|>", "<|endoftext|>",
    ]

    /// The tokenizers of a fixture, of each of the two formats it holds.
    private static func tokenizers(_ folder: String) throws -> [any Tokenizer] {
        let both = folder.hasSuffix("tiny") || folder == "f7-e2e" || folder == "tokenizer-mistral"
        return try (both ? IdeficsTokenizersTests.tokenizers(folder) : [])
            + [AutoTokenizer.from(directory: Fixtures.url(folder))]
    }

    /// Pieces of a text in which nobody typed a token are encoded as the whole text is, wherever they are cut.
    @Test(arguments: folders)
    func piecesAreOneText(folder: String) throws {
        var random = SeededGenerator(seed: 3)
        let words = [
            "the", " ", "  ", "▁", "\n", "é", "中文", "😀", "1", "23", "<0x41>", "<", "s>", "ing", "User:", "A", " a",
            "\r", "ab.",
        ]
        for tokenizer in try Self.tokenizers(folder) {
            let tokens = Self.special.filter { tokenizer.convertTokenToId($0) != nil }
            for _ in 0..<200 {
                var text = MarkedText()
                for _ in 0..<Int.random(in: 1..<12, using: &random) {
                    let word = words.randomElement(using: &random) ?? ""
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: text.append(markup: tokens.randomElement(using: &random) ?? "")
                    case 1: text.append(markup: word)
                    default: text.append(words: word)
                    }
                }
                // Something that became a token only by being written together is another matter.
                let typed = tokens.filter { token in
                    text.plain.components(separatedBy: token).count
                        != text.pieces.filter(\.isMarkup).map { $0.text.components(separatedBy: token).count - 1 }
                        .reduce(1, +)
                }
                guard typed.isEmpty else { continue }
                for isAdding in [false, true] {
                    #expect(
                        tokenizer.encode(text, addSpecialTokens: isAdding)
                            == tokenizer.encode(text: text.plain, addSpecialTokens: isAdding),
                        "\(text.plain.debugDescription)"
                    )
                }
            }
        }
    }

    @Test(arguments: folders)
    func typedTokensAreText(folder: String) throws {
        for tokenizer in try Self.tokenizers(folder) {
            let ids = Self.special.compactMap { tokenizer.convertTokenToId($0) }
            #expect(ids.count >= 3)
            for token in Self.special {
                for typed in [token, "a\(token)", "\(token)b", " \(token) ", "\(token)\(token)"] {
                    let found = tokenizer.encode(MarkedText(words: typed), addSpecialTokens: false)
                    #expect(!found.isEmpty && Set(found).isDisjoint(with: ids), "\(typed) is \(found)")
                    let text = tokenizer.decode(tokenIds: found)
                    #expect(text.contains(token), "\(typed) came back as \(text)")
                }
            }
        }
    }

    /// A token is one only where all of it is markup; white space that it takes with it may be anybody's.
    @Test func tokensOverTheBorder() throws {
        let added =
            #"[{"id":10,"content":"<x>","special":true,"lstrip":true,"rstrip":true},"#
            + #"{"id":11,"content":"<x>>","special":true},{"id":12,"content":"word","special":false},"#
            + #"{"id":13,"content":"<tool>","special":false}]"#
        let tokenizer = try tokenizer(vocab: ["<", ">", "x", " ", "w", "o", "r", "d"], added: added)
        func ids(_ build: (inout MarkedText) -> Void) -> [Int] {
            var text = MarkedText()
            build(&text)
            return tokenizer.encode(text, addSpecialTokens: false)
        }
        #expect(ids { $0.append(markup: "<x>>") } == [11])
        #expect(
            ids {
                $0.append(markup: "<x>")
                $0.append(words: ">")
            } == [10, 1]
        )
        #expect(
            ids {
                $0.append(markup: "<x")
                $0.append(words: ">")
            } == [0, 2, 1]
        )
        #expect(
            ids {
                $0.append(words: "x ")
                $0.append(markup: "<x>")
                $0.append(words: "  x")
            } == [2, 10, 2]
        )
        // A word that was added to the vocabulary is a word; one in angle brackets is structure.
        #expect(ids { $0.append(words: "xword") } == [2, 12])
        #expect(Set(ids { $0.append(words: "<tool>") }).isDisjoint(with: [13]))
    }

    /// Vocabularies converted from SentencePiece have merges whose result is a special token.
    @Test(arguments: [false, true])
    func tokensThatMergesMake(ignoresMerges: Bool) throws {
        let tokenizer = try tokenizer(
            vocab: ["<", "/", "s", ">", "</", "s>", "</s>", "a"],
            merges: ["s >", "< /", "</ s>"],
            added: #"[{"id":6,"content":"</s>","special":true}]"#,
            model: #","ignore_merges":\#(ignoresMerges)"#
        )
        #expect(tokenizer.encode(text: "a</s>", addSpecialTokens: false) == [7, 6])
        #expect(tokenizer.encode(MarkedText(words: "</s>"), addSpecialTokens: false) == [4, 5])
        #expect(tokenizer.encode(MarkedText(words: "a</s>"), addSpecialTokens: false) == [7, 4, 5])
        let long = String(repeating: "</s>", count: 40)
        let expected = (0..<40).flatMap { _ in [4, 5] }
        #expect(tokenizer.encode(MarkedText(words: long), addSpecialTokens: false) == expected)
    }

    /// Tokens that are looked for in the normalised text.
    @Test func normalizedTokens() throws {
        let normalizer =
            #"{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Lowercase"},"#
            + #"{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}"#
        let tokenizer = try tokenizer(
            vocab: ["▁", "s", "<", ">", "é", "a"],
            added: #"[{"id":9,"content":"<S>","special":true,"normalized":true}]"#,
            rest: #","normalizer":\#(normalizer)"#
        )
        #expect(tokenizer.encode(text: "É <S>a", addSpecialTokens: false) == [0, 4, 9, 5])
        var text = MarkedText(words: "É <S>a")
        #expect(tokenizer.encode(text, addSpecialTokens: false) == [0, 4, 0, 2, 1, 3, 5])
        text.append(markup: " <S>")
        text.append(words: "É <s>")
        #expect(tokenizer.encode(text, addSpecialTokens: false) == [0, 4, 0, 2, 1, 3, 5, 9, 4, 0, 2, 1, 3])
    }

    private func tokenizer(
        vocab: [String],
        merges: [String] = [],
        added: String,
        model: String = "",
        rest: String = ""
    ) throws -> any Tokenizer {
        let vocab = vocab.enumerated().map { "\"\($1)\":\($0)" }.joined(separator: ",")
        let merges = merges.map { "\"\($0)\"" }.joined(separator: ",")
        let file =
            #"{"model":{"type":"BPE","vocab":{\#(vocab)},"merges":[\#(merges)]\#(model)},"added_tokens":\#(added)\#(rest)}"#
        return try AutoTokenizer.from(bytes: Array(file.utf8), isJSON: true)
    }
}
