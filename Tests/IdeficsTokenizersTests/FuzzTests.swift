// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// Mutated files either throw `TokenizerError` or give a tokenizer that works; they never crash.
@Suite struct FuzzTests {
    #if DEBUG
    static let rounds = 100
    #else
    static let rounds = 1000
    #endif

    /// Changes a few bytes, or cuts, repeats or moves a stretch.
    private func mutate(_ bytes: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let position = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, position + Int.random(in: 1...40, using: &random))
            switch Int.random(in: 0..<7, using: &random) {
            case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.removeSubrange(position..<end)
            case 3: bytes.insert(contentsOf: bytes[position..<end], at: position)
            case 4: bytes.removeSubrange(position...)
            case 5:
                let words = [
                    "null", "-1", "1e9", "{}", "[]", "\"\"", "true", "99999999999", "\"a\"", "\\u0000", ",", ":",
                ]
                bytes.replaceSubrange(position..<end, with: Array((words.randomElement(using: &random) ?? "").utf8))
            default: bytes[position] = [0x00, 0x7F, 0x80, 0xFF, 0x22, 0x5C, 0x30].randomElement(using: &random) ?? 0
            }
        }
        return bytes
    }

    /// Uses a tokenizer a little; its own decoding must agree with streaming.
    private func exercise(_ tokenizer: any Tokenizer) {
        for text in ["", "Hello  world <image></s>\n 12 é😀▁x", "aaaa bbbb"] {
            let ids = tokenizer.encode(text: text)
            #expect(same(tokenizer.decode(tokenIds: ids), streamed(ids, tokenizer, skipSpecialTokens: false)))
        }
        _ = tokenizer.decode(tokenIds: Array(-2..<40), skipSpecialTokens: true)
    }

    private func run(_ seed: UInt64, rounds: Int, _ bytes: [UInt8], _ load: ([UInt8]) throws -> any Tokenizer) {
        var random = SeededGenerator(seed: seed)
        var loaded = 0
        for _ in 0..<rounds {
            do {
                exercise(try load(mutate(bytes, using: &random)))
                loaded += 1
            } catch {
                #expect(error is TokenizerError)
            }
        }
        #expect(loaded < rounds)
    }

    @Test func tokenizerJSON() throws {
        let bytes = Array(try Fixtures.data("processor/tokenizer-tiny/tokenizer.json"))
        run(1, rounds: Self.rounds, bytes) { try AutoTokenizer.from(bytes: $0, isJSON: true) }
    }

    /// The structure without the bulk, so that most mutations hit something that matters.
    @Test func structure() throws {
        let text = #"""
            {"added_tokens":[{"id":4,"content":"<s>","single_word":false,"lstrip":true,"rstrip":true,"normalized":true,"special":true}],
            "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Lowercase"},
            {"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
            "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
            {"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}]},
            "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
            {"Sequence":{"id":"A","type_id":0}}],"special_tokens":{"<s>":{"id":"<s>","ids":[4],"tokens":["<s>"]}}},
            "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
            {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":1}]},
            "model":{"type":"BPE","dropout":null,"unk_token":"u","fuse_unk":true,"byte_fallback":true,"ignore_merges":false,
            "vocab":{"u":0,"a":1,"b":2,"ab":3,"▁":5,"<0x41>":6},"merges":["a b"]}}
            """#
        run(2, rounds: Self.rounds * 3, Array(text.utf8)) { try AutoTokenizer.from(bytes: $0, isJSON: true) }
    }

    @Test func byteLevelJSON() throws {
        let bytes = Array(try Fixtures.data("tokenizer-bytelevel/tokenizer.json"))
        run(3, rounds: Self.rounds / 4, bytes) { try AutoTokenizer.from(bytes: $0, isJSON: true) }
    }

    @Test func sentencePiece() throws {
        let bytes = Array(try Fixtures.data("processor/tokenizer-tiny/tokenizer.model"))
        run(4, rounds: Self.rounds, bytes) { try AutoTokenizer.from(bytes: $0, isJSON: false) }
        // The settings come after the pieces: aim at them too.
        let head = Array(bytes.prefix(bytes.count - 300))
        run(5, rounds: Self.rounds, Array(bytes.suffix(300))) {
            try AutoTokenizer.from(bytes: head + $0, isJSON: false)
        }
    }

    @Test func sideFiles() throws {
        let model = Array(try Fixtures.data("processor/tokenizer-tiny/tokenizer.model"))
        let config = Array(try Fixtures.data("processor/tokenizer-tiny/tokenizer_config.json"))
        let map = Array(try Fixtures.data("processor/tokenizer-tiny/special_tokens_map.json"))
        let added = Array(try Fixtures.data("processor/tokenizer-tiny/added_tokens.json"))
        for (seed, file) in [config, map, added].enumerated() {
            run(UInt64(6 + seed), rounds: Self.rounds / 3, file) {
                try AutoTokenizer.from(
                    bytes: model,
                    isJSON: false,
                    tokenizerConfig: seed == 0 ? $0 : nil,
                    specialTokensMap: seed == 1 ? $0 : map,
                    addedTokens: seed == 2 ? $0 : added
                )
            }
        }
    }
}
