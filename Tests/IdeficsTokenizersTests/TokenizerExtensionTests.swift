// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

@Suite struct TokenizerExtensionTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// The tokenizer in `directory` with two tokens more.
    func extended(_ directory: URL, from id: Int) throws -> any Tokenizer {
        var change = TokenizerExtension()
        change.newTokens = [.init(id: id, content: "<new \"1\">"), .init(id: id + 1, content: "<new2>")]
        change.padToken = "<new2>"
        for (name, data) in try change.files(from: directory) { try folder.write(Array(data), name) }
        return try AutoTokenizer.from(directory: folder.url)
    }

    static let texts = ["Hello world", " two  spaces", "Grüße 😀\n", "a<new2>b", ""]

    @Test(arguments: [
        ("tokenizer-mistral", "tokenizer.model"), ("tokenizer-mistral", "tokenizer.json"),
        ("tokenizer-mistral", "tokenizer_config.json"), ("tokenizer-bytelevel", "README.md"),
    ])
    func everythingElseStaysAsItWas(fixture: String, without file: String) throws {
        let source = try TemporaryFolder()
        let directory = source.url.appending(path: "tokenizer")
        try FileManager.default.copyItem(at: Fixtures.url(fixture), to: directory)
        try FileManager.default.removeItem(at: directory.appending(path: file))
        let old = try AutoTokenizer.from(directory: directory)
        let new = try extended(directory, from: old.vocabSize)
        #expect(new.vocabSize == old.vocabSize + 2)
        #expect(new.convertTokenToId("<new \"1\">") == old.vocabSize)
        #expect(new.padToken == "<new2>" && new.padTokenId == old.vocabSize + 1)
        #expect(new.bosToken == old.bosToken && new.eosToken == old.eosToken && new.chatTemplate == old.chatTemplate)
        #expect(new.additionalSpecialTokens == old.additionalSpecialTokens + ["<new \"1\">", "<new2>"])
        for text in Self.texts where !text.contains("<new2>") {
            #expect(new.encode(text: text) == old.encode(text: text))
        }
        #expect(new.encode(text: "a<new2>b").contains(old.vocabSize + 1))
        for id in 0..<old.vocabSize { #expect(new.convertIdToToken(id) == old.convertIdToToken(id)) }
    }
}
