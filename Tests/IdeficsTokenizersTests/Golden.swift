// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsTestSupport
import IdeficsTokenizers

/// What a reference did with some texts and ids (`Tools/make_golden_tokenizers.py`, `make_golden_processor.py`).
struct Golden: Decodable, Sendable {
    struct Text: Decodable, Sendable {
        var text: String
        var ids: [Int]
        var tokens: [String]?
        var with_bos: [Int]?
        var with_special: [Int]?
        var decode: String?
        var decode_skip_special: String?

        var withSpecial: [Int] { with_bos ?? with_special ?? ids }
        var decoded: String { decode ?? text }
        var decodedSkippingSpecial: String { decode_skip_special ?? decoded }
    }

    struct Decode: Decodable, Sendable {
        var ids: [Int]
        var decode: String
        var decode_skip_special: String
    }

    struct Prompt: Decodable, Sendable {
        var name: String
        var full_text: [String]
        var input_ids: [[Int]]
        var attention_mask: [[Int]]
    }

    var texts: [Text]?
    var decodes: [Decode]?
    var prompts: [Prompt]?

    static func load(_ path: String) throws -> Golden {
        try JSONDecoder().decode(Golden.self, from: Fixtures.data(path))
    }
}

/// Byte-wise equality: `==` on strings takes canonically equivalent ones for equal.
func same(_ left: String, _ right: String) -> Bool {
    left.utf8.elementsEqual(right.utf8)
}

/// Loaded once: in a debug build 32,000 pieces take a second.
private let loaded = Locked<[String: [any Tokenizer]]>([:])

/// All tokenizer files of a fixture folder, through both formats where there are both.
func tokenizers(_ folder: String) throws -> [any Tokenizer] {
    func bytes(_ name: String) throws -> [UInt8]? {
        let url = Fixtures.url("\(folder)/\(name)")
        return FileManager.default.fileExists(atPath: url.path) ? Array(try Data(contentsOf: url)) : nil
    }
    return try loaded.withLock { loaded in
        if let known = loaded[folder] { return known }
        let new = try [("tokenizer.json", true), ("tokenizer.model", false)].compactMap { name, isJSON in
            try bytes(name).map {
                try AutoTokenizer.from(
                    bytes: $0,
                    isJSON: isJSON,
                    tokenizerConfig: bytes("tokenizer_config.json"),
                    specialTokensMap: bytes("special_tokens_map.json"),
                    addedTokens: bytes("added_tokens.json")
                )
            }
        }
        loaded[folder] = new
        return new
    }
}

/// The chunks a stream of ids gives, put together.
func streamed(_ ids: [Int], _ tokenizer: any Tokenizer, skipSpecialTokens: Bool) -> String {
    var detokenizer = StreamingDetokenizer(tokenizer: tokenizer, skipSpecialTokens: skipSpecialTokens)
    return ids.map { detokenizer.append($0) }.joined() + detokenizer.finish()
}
