// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// A text and what it begins with, encoded in one go: as if each were encoded alone.
@Suite struct BeginningsTests {
    private static let folders = [
        "tokenizer-mistral", "processor/tokenizer-tiny", "f7-e2e", "tokenizer-bytelevel", "init/llama-gqa",
    ]

    private static let special = [
        "<s>", "</s>", "<image>", "<fake_token_around_image>", "<end_of_utterance>", "<|im_start|>", "<|im_end|>",
    ]

    private static let words = [
        "the", " ", "  ", "\n", "\n\n", "é", "中文", "1", "23", "<", "s>", "ing", "User:", "Assistant:", " a", "ab.",
        "<image>", "</s>", "<end_of_utterance>",
    ]

    /// Texts of markup and words, and of each where it could end; some are no beginnings of it at all.
    @Test(arguments: folders)
    func areWhatTheyAreAlone(folder: String) throws {
        var random = SeededGenerator(seed: 11)
        let tokenizer = try AutoTokenizer.from(directory: Fixtures.url(folder))
        let tokens = Self.special.filter { tokenizer.convertTokenToId($0) != nil }
        var reached = 0
        for _ in 0..<200 {
            var text = MarkedText()
            var beginnings = [text]
            for _ in 0..<Int.random(in: 1..<14, using: &random) {
                if Bool.random(using: &random), let token = tokens.randomElement(using: &random) {
                    text.append(markup: token)
                } else {
                    let word = Self.words.randomElement(using: &random) ?? ""
                    if Bool.random(using: &random) { text.append(words: word) } else { text.append(markup: word) }
                }
                beginnings.append(text)
            }
            var other = MarkedText(words: "x")
            other.append(text)
            beginnings.append(other)
            let found = tokenizer.encode(text, beginnings: beginnings)
            #expect(found.ids == tokenizer.encode(text, addSpecialTokens: false))
            for (beginning, found) in zip(beginnings, found.beginnings) {
                let alone = tokenizer.encode(beginning, addSpecialTokens: false)
                let whole = tokenizer.encode(text, addSpecialTokens: false)
                #expect(found.count == alone.count, "\(beginning.plain.debugDescription)")
                #expect(found.commonCount == zip(alone, whole).prefix { $0 == $1 }.count)
                if found.commonCount < found.count { reached += 1 }
            }
        }
        #expect(reached > 0)
    }
}
