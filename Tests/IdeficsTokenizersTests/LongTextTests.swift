// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// Text that makes a careless implementation quadratic; the suite would then not end in minutes.
@Suite struct LongTextTests {
    #if DEBUG
    static let length = 20_000
    #else
    static let length = 500_000
    #endif

    @Test(arguments: ["processor/tokenizer-tiny", "tokenizer-bytelevel"])
    func longWords(folder: String) throws {
        for tokenizer in try tokenizers(folder) {
            for pattern in ["a", " ", "\n", "<", "<image", "é", "▁", "ab", "'", "1"] {
                let text = String(repeating: pattern, count: Self.length / pattern.utf8.count)
                let ids = tokenizer.encode(text: text, addSpecialTokens: false)
                let decoded = tokenizer.decode(tokenIds: ids)
                // A literal ▁ is a space.
                let expected = folder.hasSuffix("tiny") ? text.replacingOccurrences(of: "▁", with: " ") : text
                #expect(same(decoded, expected), "\(pattern.debugDescription)")
            }
        }
    }

    /// Encoding part by part gives the same as all at once: words end at spaces.
    @Test func partsOfText() throws {
        let tokenizer = try #require(try tokenizers("tokenizer-mistral").first)
        let license = try String(contentsOf: Fixtures.root.appending(path: "../../LICENSE"), encoding: .utf8)
        let words = license.split(separator: " ", omittingEmptySubsequences: true)
        let whole = tokenizer.encode(text: words.joined(separator: " "), addSpecialTokens: false)
        #expect(words.flatMap { tokenizer.encode(text: String($0), addSpecialTokens: false) } == whole)
    }

    @Test func concurrentUse() async throws {
        let tokenizer = try #require(try tokenizers("tokenizer-mistral").first)
        let text = "Describe this image.\nAssistant: An image of two kittens in grass.\n"
        let expected = tokenizer.encode(text: text)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<16 {
                group.addTask { (0..<20).allSatisfy { _ in tokenizer.encode(text: text) == expected } }
            }
            for await same in group { #expect(same) }
        }
    }
}
