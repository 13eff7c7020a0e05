// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// Files that are wrong in one place: the error must name the file and the field.
@Suite struct HostileJSONTests {
    /// A complete small file in which parts can be replaced.
    private func file(
        vocab: String = #"{"<unk>":0,"a":1,"b":2,"ab":3}"#,
        merges: String = #"["a b"]"#,
        model: String = "",
        rest: String = ""
    ) -> [UInt8] {
        Array(#"{"model":{"type":"BPE","vocab":\#(vocab),"merges":\#(merges)\#(model)}\#(rest)}"#.utf8)
    }

    private func failure(_ bytes: [UInt8], config: String? = nil, added: String? = nil) -> TokenizerError? {
        #expect(throws: TokenizerError.self) {
            try AutoTokenizer.from(
                bytes: bytes,
                isJSON: true,
                tokenizerConfig: config.map { Array($0.utf8) },
                addedTokens: added.map { Array($0.utf8) }
            )
        }
    }

    @Test func smallestFile() throws {
        let tokenizer = try AutoTokenizer.from(bytes: file(), isJSON: true)
        #expect(tokenizer.encode(text: "abba?") == [3, 2, 1])
        #expect(tokenizer.decode(tokenIds: [3, 1]) == "ab a")
        #expect(tokenizer.bosToken == nil && tokenizer.bosTokenId == nil)
    }

    @Test(arguments: ["", " ", "{", "{}x", "{\"a\":}", "{\"a\":1,}", "'a'", "\"a\nb\"", "tru", "/**/{}", "\u{0}"])
    func malformedJSON(text: String) {
        guard case .malformedJSON("tokenizer.json", 1, let column, _) = failure(Array(text.utf8)) else {
            Issue.record("\(text.debugDescription) was not called malformed")
            return
        }
        #expect(column <= text.utf8.count + 1)
    }

    @Test func aByteOrderMarkAndPythonsNumbersAreTaken() throws {
        let text = Array("\u{FEFF}".utf8) + file(rest: #","note":NaN,"limits":[-Infinity,Infinity],"half":"\ud83d""#)
        let config = "\u{FEFF}{\"model_max_length\": Infinity, \"note\": NaN, \"bos_token\": null}"
        let tokenizer = try AutoTokenizer.from(bytes: text, isJSON: true, tokenizerConfig: Array(config.utf8))
        #expect(tokenizer.encode(text: "ab") == [3] && tokenizer.modelMaxLength == nil)
    }

    @Test func halfSurrogatePairsAreNoPieces() {
        #expect(failure(file(vocab: #"{"a":0,"\ud83d":1}"#, merges: "[]"))?.field == "model.vocab")
        #expect(failure(file(merges: #"["a \ud83d"]"#))?.field == "model.merges[0]")
        #expect(
            failure(file(rest: #","added_tokens":[{"id":9,"content":"\ud83d"}]"#))?.field == "added_tokens[0].content"
        )
        #expect(failure(file(), config: #"{"bos_token":"\udc00"}"#)?.field == "bos_token")
    }

    @Test func escapes() throws {
        let vocab = #"{"\u0061\/\"\\\b\f\n\r\t":0,"\ud83d\ude00":1,"\u00e9":2}"#
        let tokenizer = try AutoTokenizer.from(bytes: file(vocab: vocab, merges: "[]"), isJSON: true)
        #expect(tokenizer.convertIdToToken(0) == "a/\"\\\u{8}\u{C}\n\r\t")
        #expect(tokenizer.convertTokenToId("😀") == 1 && tokenizer.convertTokenToId("é") == 2)
        #expect(tokenizer.convertTokenToId("e\u{301}") == nil)
    }

    @Test(arguments: [
        ("[]", #"["a b"]"#, "", "model.vocab"),
        ("{}", "[]", "", "model.vocab"),
        (#"{"a":-1}"#, "[]", "", "model.vocab"),
        (#"{"a":1.5}"#, "[]", "", "model.vocab"),
        (#"{"a":"1"}"#, "[]", "", "model.vocab"),
        (#"{"a":null}"#, "[]", "", "model.vocab"),
        (#"{"a":99999999999}"#, "[]", "", "model.vocab"),
        (#"{"a":99999999999999999999999999999}"#, "[]", "", "model.vocab"),
        (#"{"a":1,"b":1}"#, "[]", "", "model.vocab"),
        (#"{"a":1,"a":2}"#, "[]", "", "model.vocab"),
        (#"{"a":0,"b":1}"#, #"["a b"]"#, "", "model.merges[0]"),
        (#"{"a":0,"aa":1}"#, #"["a a","a x"]"#, "", "model.merges[1]"),
        (#"{"a":0}"#, #"["a"]"#, "", "model.merges[0]"),
        (#"{"a":0}"#, #"["a b c"]"#, "", "model.merges[0]"),
        (#"{"a":0}"#, #"[["a"]]"#, "", "model.merges[0]"),
        (#"{"a":0}"#, #"[["a",1]]"#, "", "model.merges[0]"),
        (#"{"a":0}"#, #"[["a","b","c"]]"#, "", "model.merges[0]"),
        (#"{"a":0}"#, #"[[["a"],"b"]]"#, "", "model.merges[0]"),
        (#"{"a":0}"#, #"[7]"#, "", "model.merges[0]"),
        (#"{"a":0}"#, #"{}"#, "", "model.merges"),
        (#"{"a":0}"#, "[]", #","unk_token":"u""#, "model.unk_token"),
        (#"{"a":0}"#, "[]", #","unk_token":3"#, "model.unk_token"),
        (#"{"a":0}"#, "[]", #","fuse_unk":1"#, "model.fuse_unk"),
        (#"{"a":0}"#, "[]", #","byte_fallback":"yes""#, "model.byte_fallback"),
        (#"{"a":0}"#, "[]", #","dropout":0.1"#, "model.dropout"),
        (#"{"a":0}"#, "[]", #","end_of_word_suffix":"</w>""#, "model.end_of_word_suffix"),
        (#"{"a":0}"#, "[]", #","type":"Unigram""#, "model.type"),
    ])
    func models(vocab: String, merges: String, model: String, field: String) throws {
        let error = try #require(failure(file(vocab: vocab, merges: merges, model: model)))
        #expect(error.field == field, "\(error)")
        #expect("\(error)".hasPrefix("tokenizer.json: "))
    }

    @Test(arguments: [
        (#""normalizer":{"type":"StripAccents"}"#, "normalizer.type"),
        (#""normalizer":{}"#, "normalizer.type"),
        (#""normalizer":[]"#, "normalizer.type"),
        (#""normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend"}]}"#, "normalizer.normalizers[0].prepend"),
        (#""normalizer":{"type":"Replace","pattern":{"Regex":" +"},"content":""}"#, "normalizer.pattern"),
        (#""pre_tokenizer":{"type":"Whitespace"}"#, "pre_tokenizer.type"),
        (
            #""pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated"}"#,
            "pre_tokenizer.pattern.Regex"
        ),
        (
            #""pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}"#,
            "pre_tokenizer.pretokenizers[1].type"
        ),
        (#""pre_tokenizer":{"type":"Metaspace","replacement":"__"}"#, "pre_tokenizer"),
        (#""pre_tokenizer":{"type":"Metaspace","prepend_scheme":"last"}"#, "pre_tokenizer.prepend_scheme"),
        (#""decoder":{"type":"WordPiece"}"#, "decoder.type"),
        (
            #""decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"ByteFallback"}]}"#,
            "decoder.decoders[1].type"
        ),
        (#""decoder":{"type":"Strip","content":" ","start":1,"stop":0}"#, "decoder.type"),
        (
            #""decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":"","start":1,"stop":0}]}"#,
            "decoder.decoders[1]"
        ),
        (#""post_processor":{"type":"BertProcessing"}"#, "post_processor.type"),
        (
            #""post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}]}"#,
            "post_processor.single[0].SpecialToken.id"
        ),
        (#""added_tokens":{}"#, "added_tokens"),
        (#""added_tokens":[{"id":7}]"#, "added_tokens[0].content"),
        (#""added_tokens":[{"id":-7,"content":"x"}]"#, "added_tokens[0].id"),
        (#""added_tokens":[{"id":2,"content":"x"}]"#, "added token 'x'"),
        (#""added_tokens":[{"id":9,"content":"x"},{"id":9,"content":"y"}]"#, "added token 'y'"),
        (#""added_tokens":[{"id":9,"content":"x","lstrip":0}]"#, "added_tokens[0].lstrip"),
    ])
    func parts(rest: String, field: String) throws {
        let error = try #require(failure(file(rest: ",\(rest)")))
        #expect(error.field == field, "\(error)")
    }

    @Test func expandingReplacements() throws {
        let doubling = Array(repeating: #"{"type":"Replace","pattern":{"String":"a"},"content":"aa"}"#, count: 40)
        let list = doubling.joined(separator: ",")
        #expect(
            failure(file(rest: #","normalizer":{"type":"Sequence","normalizers":[\#(list)]}"#))?.field == "normalizer"
        )
        let decoder = failure(file(rest: #","decoder":{"type":"Sequence","decoders":[\#(list)]}"#))
        #expect(decoder?.field?.hasPrefix("decoder.decoders[") == true)
    }

    @Test func longAddedToken() throws {
        let long = String(repeating: "x", count: 2000)
        #expect(failure(file(rest: #","added_tokens":[{"id":9,"content":"\#(long)"}]"#))?.field == "added_tokens[0]")
        #expect(failure(file(), config: #"{"bos_token":"\#(long)"}"#)?.field == "bos_token")
    }

    @Test(arguments: [
        (#"[]"#, "the file"), (#"{"bos_token":1}"#, "bos_token"), (#"{"bos_token":{"id":1}}"#, "bos_token.content"),
        (#"{"padding_side":"up"}"#, "padding_side"), (#"{"added_tokens_decoder":{"x":{}}}"#, "added_tokens_decoder.x"),
        (#"{"added_tokens_decoder":{"-1":{"content":"q"}}}"#, "added_tokens_decoder.-1"),
        (#"{"added_tokens_decoder":{"2":{"content":"q"}}}"#, "added token 'q'"),
        (#"{"additional_special_tokens":"x"}"#, "additional_special_tokens"),
        (#"{"chat_template":5}"#, "chat_template"),
        (#"{"tokenizer_class":"LlamaTokenizer"}"#, "bos_token"), (#"{"add_bos_token":"true"}"#, "add_bos_token"),
    ])
    func configuration(config: String, field: String) throws {
        let error = try #require(failure(file(), config: config))
        #expect(error.field == field, "\(error)")
    }

    @Test func sideFiles() throws {
        let config = #"{"pad_token":"[PAD]","eos_token":{"content":"b"},"model_max_length":12.5,"chat_template":null}"#
        let tokenizer = try AutoTokenizer.from(
            bytes: file(),
            isJSON: true,
            tokenizerConfig: Array(config.utf8),
            specialTokensMap: Array(#"{"bos_token":"a","additional_special_tokens":["<x>",{"content":"<y>"}]}"#.utf8),
            addedTokens: Array(#"{"<x>":1000000000,"<z>":5}"#.utf8)
        )
        #expect(tokenizer.padTokenId == 1_000_000_001 && tokenizer.eosTokenId == 2 && tokenizer.bosTokenId == 1)
        #expect(tokenizer.additionalSpecialTokens == ["<x>", "<y>"])
        #expect(tokenizer.encode(text: "<x>[PAD]<z>") == [1_000_000_000, 1_000_000_001, 5])
        #expect(tokenizer.vocabSize == 8)
        #expect(failure(file(), added: #"{"q":3}"#)?.field == "added token 'q'")
        #expect(failure(file(), added: #"{"q":true}"#)?.field == "q")
    }

    /// Nothing may be allocated by an id.
    @Test func sparseIds() throws {
        let bytes = file(vocab: #"{"a":2147483647,"b":5,"ab":77777777}"#, rest: #","decoder":{"type":"Fuse"}"#)
        let tokenizer = try AutoTokenizer.from(bytes: bytes, isJSON: true)
        #expect(tokenizer.encode(text: "aab") == [2_147_483_647, 77_777_777])
        #expect(tokenizer.decode(tokenIds: [77_777_777, 5, 6, 2_147_483_647]) == "abba")
        #expect(tokenizer.convertIdToToken(.max) == nil && tokenizer.convertIdToToken(.min) == nil)
    }

    /// A merge that gives one of its own parts' pieces must not loop.
    @Test func cyclicMerges() throws {
        let bytes = file(vocab: #"{"a":0,"b":1,"ab":2,"ba":3,"aba":4}"#, merges: #"["ab a","a ba","a b","b a"]"#)
        let tokenizer = try AutoTokenizer.from(bytes: bytes, isJSON: true)
        #expect(!tokenizer.encode(text: String(repeating: "ab", count: 5000)).isEmpty)
    }
}

extension TokenizerError {
    /// The field of the cases that have one.
    var field: String? {
        switch self {
        case .missingField(_, let field), .invalidField(_, let field, _), .unsupported(_, let field, _): field
        default: nil
        }
    }
}
