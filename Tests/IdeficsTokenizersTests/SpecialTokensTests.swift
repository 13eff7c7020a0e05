// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

/// Special tokens in the files of every version of transformers.
@Suite struct SpecialTokensTests {
    private static let vocabulary =
        #"{"model":{"type":"BPE","vocab":{"<unk>":0,"<s>":1,"</s>":2,"a":3},"merges":[]},"added_tokens":["#
        + #"{"id":4,"content":"<image>"},{"id":5,"content":"<end>","special":true}]}"#

    private func tokenizer(config: String? = nil, map: String? = nil) throws -> any Tokenizer {
        try AutoTokenizer.from(
            bytes: Array(Self.vocabulary.utf8),
            isJSON: true,
            tokenizerConfig: config.map { Array($0.utf8) },
            specialTokensMap: map.map { Array($0.utf8) }
        )
    }

    @Test(arguments: [
        #"{"additional_special_tokens": ["<image>", "<end>"]}"#,
        #"{"additional_special_tokens": ["<image>", "<end>"], "extra_special_tokens": {}}"#,
        #"{"extra_special_tokens": ["<image>", "<end>"]}"#,
        #"{"extra_special_tokens": [{"content": "<image>", "__type": "AddedToken"}, null, "<end>"]}"#,
        #"{"extra_special_tokens": {"image_token": "<image>", "end_token": {"content": "<end>"}}}"#,
        #"{"model_specific_special_tokens": {"image_token": "<image>", "end_token": "<end>"}}"#,
        #"{"additional_special_tokens": null, "extra_special_tokens": ["<image>", "<end>", "<image>"]}"#,
        #"{"additional_special_tokens": ["<image>"], "extra_special_tokens": ["<end>"]}"#,
    ])
    func listsOfBothVersions(_ text: String) throws {
        for tokenizer in [try tokenizer(config: text), try tokenizer(map: text)] {
            #expect(tokenizer.additionalSpecialTokens == ["<image>", "<end>"])
            #expect(tokenizer.vocabSize == 6)
            #expect(tokenizer.decode(tokenIds: [3, 4, 5], skipSpecialTokens: true) == "a")
        }
    }

    @Test func aNameAloneMarksATokenAndAddsNone() throws {
        let config =
            #"{"image_token": "<image>", "audio_token": "<audio>", "video_token": {"content": "</s>"}, "x_token": 3}"#
        let tokenizer = try tokenizer(config: config)
        #expect(tokenizer.decode(tokenIds: [3, 4], skipSpecialTokens: true) == "a")
        #expect(tokenizer.vocabSize == 6 && tokenizer.additionalSpecialTokens == [])
    }

    @Test(arguments: [#"{"extra_special_tokens": "<image>"}"#, #"{"extra_special_tokens": [4]}"#])
    func nonsenseIsRefused(_ text: String) {
        #expect(throws: TokenizerError.self) { try tokenizer(config: text) }
    }

    @Test func anExtensionListsItsTokensForBothVersions() throws {
        let folder = try TemporaryFolder()
        try folder.write(Array(Self.vocabulary.utf8), "tokenizer.json")
        try folder.write(Array(#"{"extra_special_tokens": ["<end>"]}"#.utf8), "tokenizer_config.json")
        var change = TokenizerExtension()
        change.newTokens = [.init(id: 6, content: "<new>")]
        let files = try change.files(from: folder.url)
        let config = String(decoding: files["tokenizer_config.json"] ?? Data(), as: UTF8.self)
        for key in ["extra", "additional"] {
            #expect(config.replacing("\n    ", with: "").contains(#""\#(key)_special_tokens": ["<end>","<new>"]"#))
        }
    }

    @Test(arguments: [
        ("chat_template.jinja", "T"), ("chat_template.json", #"{"chat_template": "T"}"#),
        ("processor_config.json", #"{"chat_template": "T", "image_processor": {}}"#),
        ("chat_template.json", #"{"chat_template": [{"name": "default", "template": "T"}]}"#),
    ])
    func chatTemplatesOfEveryAge(_ file: String, _ text: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(Array(Self.vocabulary.utf8), "tokenizer.json")
        try folder.write(Array(#"{"chat_template": "old"}"#.utf8), "tokenizer_config.json")
        #expect(try AutoTokenizer.from(directory: folder.url).chatTemplate == "old")
        try folder.write(Array(text.utf8), file)
        #expect(try AutoTokenizer.from(directory: folder.url).chatTemplate == "T")
    }

    /// transformers 5 saves neither `add_bos_token` nor `add_eos_token`: the template in tokenizer.json says both.
    @Test(arguments: [
        (#"{"A": 1}"#, "", [3]), (#"{"B": 1}, {"A": 1}, {"E": 1}"#, "", [1, 3, 2]),
        (#"{"A": 1}"#, #""add_bos_token": true,"#, [1, 3]), ("", "", [1, 3]),
    ])
    func templatesCountWhereTheConfigurationIsSilent(_ single: String, _ keys: String, _ ids: [Int]) throws {
        let template =
            single.replacing(#"{"A": 1}"#, with: #"{"Sequence": {"id": "A", "type_id": 0}}"#)
            .replacing(#"{"B": 1}"#, with: #"{"SpecialToken": {"id": "<s>", "type_id": 0}}"#)
            .replacing(#"{"E": 1}"#, with: #"{"SpecialToken": {"id": "</s>", "type_id": 0}}"#)
        let processor =
            #","post_processor":{"type":"TemplateProcessing","single":[\#(template)],"special_tokens":"#
            + #"{"<s>":{"ids":[1]},"</s>":{"ids":[2]}}}}"#
        let text = single.isEmpty ? Self.vocabulary : Self.vocabulary.dropLast() + processor
        let config = #"{\#(keys) "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>"}"#
        let tokenizer = try AutoTokenizer.from(
            bytes: Array(text.utf8),
            isJSON: true,
            tokenizerConfig: Array(config.utf8)
        )
        #expect(tokenizer.encode(text: "a") == ids)
    }
}
