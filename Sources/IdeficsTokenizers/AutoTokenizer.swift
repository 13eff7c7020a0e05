// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// Loads the tokenizer of a checkpoint directory.
public enum AutoTokenizer {
    /// The largest published tokenizer files have 35 MB.
    static let maximumFileSize = 128 << 20

    /// Loads `tokenizer.json`, else `tokenizer.model`, with the JSON files beside it.
    ///
    /// - Parameter directory: A checkpoint directory, as downloaded from the hub.
    /// - Returns: The tokenizer, ready to be shared between threads.
    /// - Throws: `TokenizerError`, which names the file and the field.
    public static func from(directory: URL) throws -> any Tokenizer {
        let config = try TokenizerError.wrapping {
            try TokenizerConfig(
                config: json("tokenizer_config.json", in: directory),
                specialTokensMap: json("special_tokens_map.json", in: directory),
                addedTokens: json("added_tokens.json", in: directory),
                chatTemplate: chatTemplate(in: directory)
            )
        }
        if let bytes = try read("tokenizer.json", in: directory) {
            return try tokenizer(json: bytes, config: config)
        }
        if let bytes = try read("tokenizer.model", in: directory) {
            return try tokenizer(sentencePiece: bytes, config: config)
        }
        throw TokenizerError.missingFile(directory: directory.path)
    }

    /// Loads one file without looking for others; what tests and fuzzing need.
    ///
    /// - Parameters:
    ///   - bytes: The contents of a `tokenizer.json` or `tokenizer.model`.
    ///   - isJSON: Which of the two it is.
    ///   - tokenizerConfig: The contents of a `tokenizer_config.json`.
    ///   - specialTokensMap: The contents of a `special_tokens_map.json`.
    ///   - addedTokens: The contents of an `added_tokens.json`.
    /// - Returns: The tokenizer.
    /// - Throws: `TokenizerError`.
    package static func from(
        bytes: [UInt8],
        isJSON: Bool,
        tokenizerConfig: [UInt8]? = nil,
        specialTokensMap: [UInt8]? = nil,
        addedTokens: [UInt8]? = nil
    ) throws -> any Tokenizer {
        func root(_ bytes: [UInt8]?, _ file: String) throws -> JSONField? {
            try bytes.map { try JSONDocument.parse($0, file: file).root }
        }
        let config = try TokenizerError.wrapping {
            try TokenizerConfig(
                config: root(tokenizerConfig, "tokenizer_config.json"),
                specialTokensMap: root(specialTokensMap, "special_tokens_map.json"),
                addedTokens: root(addedTokens, "added_tokens.json"),
                chatTemplate: nil
            )
        }
        return isJSON ? try tokenizer(json: bytes, config: config) : try tokenizer(sentencePiece: bytes, config: config)
    }

    private static func tokenizer(json bytes: [UInt8], config: TokenizerConfig) throws -> any Tokenizer {
        let file = "tokenizer.json"
        let definition = try TokenizerError.wrapping {
            try TokenizerDefinition(json: JSONDocument.parse(bytes, file: file).root)
        }
        return try BPETokenizer(definition, config: config, file: file)
    }

    private static func tokenizer(
        sentencePiece bytes: [UInt8],
        config: TokenizerConfig
    ) throws -> any Tokenizer {
        let file = "tokenizer.model"
        let model = try SentencePieceModel(bytes, file: file)
        let definition = try TokenizerDefinition(sentencePiece: model, isLegacy: config.isLegacy)
        var config = config
        // This format is loaded by transformers' Llama class, which looks for added tokens in the raw text.
        config.tokenizerClass = "LlamaTokenizer"
        for index in config.addedTokens.indices { config.addedTokens[index].normalized = false }
        return try BPETokenizer(definition, config: config, file: file)
    }

    // MARK: - Files

    /// The chat template outside `tokenizer_config.json`: of its own file, or the processor's, as transformers looks for it.
    private static func chatTemplate(in directory: URL) throws -> String? {
        if let text = try read("chat_template.jinja", in: directory) { return String(decoding: text, as: UTF8.self) }
        for file in ["chat_template.json", "processor_config.json"] {
            let field = try json(file, in: directory)?["chat_template"]
            if let template = try field.flatMap(TokenizerConfig.chatTemplate) { return template }
        }
        return nil
    }

    static func json(_ file: String, in directory: URL) throws -> JSONField? {
        try read(file, in: directory).map { try JSONDocument.parse($0, file: file).root }
    }

    /// The bytes of a file, nil if it does not exist.
    static func read(_ file: String, in directory: URL) throws -> [UInt8]? {
        let url = directory.appending(path: file)
        let data: Data?
        do {
            data = try Files.readRegularIfPresent(url, limit: maximumFileSize)
        } catch let error as FileError {
            throw TokenizerError.unreadableFile(file: file, reason: error.reason)
        }
        guard let bytes = data.map({ Array($0) }) else { return nil }
        guard !GitLFS.isPointer(bytes) else {
            throw TokenizerError.unreadableFile(file: file, reason: GitLFS.pointerReason)
        }
        return bytes
    }
}
