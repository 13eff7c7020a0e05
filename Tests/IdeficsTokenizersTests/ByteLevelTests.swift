// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// Byte-level BPE, and every supported part of a `tokenizer.json`, against the tokenizers library.
@Suite struct ByteLevelTests {
    @Test func golden() throws {
        let golden = try Golden.load("tokenizer-bytelevel/golden.json")
        let tokenizer = try AutoTokenizer.from(directory: Fixtures.url("tokenizer-bytelevel"))
        try check(golden.texts ?? [], golden.decodes ?? [], tokenizer, "golden")
        #expect(golden.texts?.count ?? 0 >= 60)
    }

    @Test func configuration() throws {
        let tokenizer = try AutoTokenizer.from(directory: Fixtures.url("tokenizer-bytelevel"))
        #expect(tokenizer.vocabSize == 1502)
        #expect(tokenizer.bosToken == "<|im_start|>" && tokenizer.bosTokenId == 1)
        #expect(tokenizer.eosToken == "<|im_end|>" && tokenizer.eosTokenId == 2)
        #expect(tokenizer.unknownTokenId == 0 && tokenizer.padTokenId == 2)
        #expect(tokenizer.paddingSide == .right)
        #expect(tokenizer.modelMaxLength == 2048)
        #expect(tokenizer.chatTemplate?.hasPrefix("{% for message") == true)
    }

    @Test func variants() throws {
        let rows = try #require(
            try JSONSerialization.jsonObject(with: Fixtures.data("tokenizer-bytelevel/variants.json")) as? [Any]
        )
        let goldens = try JSONDecoder().decode([Golden].self, from: Fixtures.data("tokenizer-bytelevel/variants.json"))
        #expect(rows.count == goldens.count && rows.count >= 30)
        for (row, golden) in zip(rows, goldens) {
            let row = try #require(row as? [String: Any])
            let name = try #require(row["name"] as? String)
            let base = try Fixtures.data("\(row["base"] ?? "")/tokenizer.json")
            var file = try #require(try JSONSerialization.jsonObject(with: base) as? [String: Any])
            var model = try #require(file["model"] as? [String: Any])
            for (key, value) in try #require(row["replace"] as? [String: Any]) {
                if key == "model.merges" {
                    let merges = try #require(model["merges"] as? [String])
                    model["merges"] = merges.map { $0.split(separator: " ").map(String.init) }
                } else if key.hasPrefix("model.") {
                    model[String(key.dropFirst(6))] = value
                } else {
                    file[key] = value
                }
            }
            file["model"] = model
            let bytes = Array(try JSONSerialization.data(withJSONObject: file))
            let tokenizer = try AutoTokenizer.from(bytes: bytes, isJSON: true)
            try check(golden.texts ?? [], golden.decodes ?? [], tokenizer, name)
        }
    }

    private func check(
        _ texts: [Golden.Text],
        _ decodes: [Golden.Decode],
        _ tokenizer: any Tokenizer,
        _ name: String
    ) throws {
        for text in texts {
            let label = Comment(rawValue: "\(name): \(text.text.debugDescription)")
            #expect(tokenizer.encode(text: text.text, addSpecialTokens: false) == text.ids, label)
            #expect(tokenizer.encode(text: text.text, addSpecialTokens: true) == text.withSpecial, label)
            #expect(same(tokenizer.decode(tokenIds: text.ids), text.decoded), label)
            let skipped = tokenizer.decode(tokenIds: text.ids, skipSpecialTokens: true)
            #expect(same(skipped, text.decodedSkippingSpecial), label)
            #expect(same(streamed(text.ids, tokenizer, skipSpecialTokens: false), text.decoded), label)
        }
        for decode in decodes {
            let label = Comment(rawValue: "\(name): \(decode.ids)")
            #expect(same(tokenizer.decode(tokenIds: decode.ids), decode.decode), label)
            let skipped = tokenizer.decode(tokenIds: decode.ids, skipSpecialTokens: true)
            #expect(same(skipped, decode.decode_skip_special), label)
            #expect(same(streamed(decode.ids, tokenizer, skipSpecialTokens: true), skipped), label)
        }
    }
}
