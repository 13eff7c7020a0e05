// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// What the JSON files beside the tokenizer say: `tokenizer_config.json`, `special_tokens_map.json`,
/// `added_tokens.json`.
struct TokenizerConfig: Sendable {
    var bosToken: String?
    var eosToken: String?
    var unknownToken: String?
    var padToken: String?
    /// Further special tokens: `additional_special_tokens` of transformers 4, `extra_special_tokens` of 5.
    var additionalSpecialTokens: [String] = []
    /// Separator, class and mask tokens, which matter only as special tokens.
    var otherSpecialTokens: [String] = []
    /// All that a key `…_token` names; special where the vocabulary has them.
    var namedTokens: [String] = []
    var addedTokens: [AddedToken] = []
    var paddingSide: PaddingSide?
    var modelMaxLength: Int?
    var chatTemplate: String?
    var addBosToken: Bool?
    var addEosToken: Bool?
    /// Whether a text begins with a space it has not; nil where the tokenizer's own file decides.
    var addPrefixSpace: Bool?
    var tokenizerClass: String?
    var isLegacy = true

    /// Whether transformers would load this as its Llama tokenizer; nil if the files do not say.
    var isLlama: Bool? {
        tokenizerClass.map { Self.llamaClasses.contains($0) }
    }

    /// Names of transformers' classes for Llama's tokenizers.
    static let llamaClasses: Set<String> = [
        "LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "CodeLlamaTokenizerFast",
    ]

    /// All special tokens the files name, in transformers' order.
    var specialTokens: [String] {
        [bosToken, eosToken, unknownToken, padToken].compactMap { $0 } + otherSpecialTokens + additionalSpecialTokens
    }

    /// Reads whichever of the files there are.
    ///
    /// As in transformers 4, `added_tokens_decoder` in `tokenizer_config.json` stands for the other two files;
    /// they then only fill in what is missing.
    init(
        config: JSONField?,
        specialTokensMap: JSONField?,
        addedTokens: JSONField?,
        chatTemplate: String?
    ) throws {
        if let config { try readConfig(config) }
        self.chatTemplate = chatTemplate ?? self.chatTemplate
        if let specialTokensMap {
            guard specialTokensMap.isObject else { throw specialTokensMap.invalid("an object was expected") }
            try readSpecialTokens(specialTokensMap, overrides: config?["added_tokens_decoder"] == nil)
        }
        if let addedTokens, self.addedTokens.isEmpty { try readAddedTokens(addedTokens) }
    }

    private mutating func readConfig(_ config: JSONField) throws {
        guard config.isObject else { throw config.invalid("an object was expected") }
        try readSpecialTokens(config, overrides: true)
        if let side = config["padding_side"] {
            guard let known = PaddingSide(rawValue: try side.string()) else {
                throw side.invalid("'\(try side.string().excerpt)' is neither left nor right")
            }
            paddingSide = known
        }
        // "No limit" is written as 10³⁰, which is no Int.
        modelMaxLength = config["model_max_length"].flatMap { try? $0.integer() }.flatMap { $0 > 0 ? $0 : nil }
        chatTemplate = try config["chat_template"].flatMap(Self.chatTemplate)
        addBosToken = try config["add_bos_token"]?.bool()
        addEosToken = try config["add_eos_token"]?.bool()
        addPrefixSpace = try config["add_prefix_space"]?.bool()
        tokenizerClass = try config["tokenizer_class"]?.string()
        isLegacy = try config["legacy"]?.bool() ?? true
        for (key, entry) in try config["added_tokens_decoder"]?.members() ?? [] {
            guard let id = Int(key), 0...Int(Int32.max) ~= id else { throw entry.invalid("the key is not a token id") }
            addedTokens.append(try AddedToken(entry, id: id))
        }
        addedTokens.sort { $0.id < $1.id }
    }

    private mutating func readSpecialTokens(_ field: JSONField, overrides: Bool) throws {
        func read(_ key: String, _ current: String?) throws -> String? {
            if !overrides, current != nil { return current }
            return try field[key].map(Self.token) ?? current
        }
        bosToken = try read("bos_token", bosToken)
        eosToken = try read("eos_token", eosToken)
        unknownToken = try read("unk_token", unknownToken)
        padToken = try read("pad_token", padToken)
        for key in ["sep_token", "cls_token", "mask_token"] {
            if let token = try field[key].map(Self.token) { Self.append(token, to: &otherSpecialTokens) }
        }
        // Named by the model, as transformers 5 has it: `image_token`. A name alone adds nothing to the vocabulary.
        for (key, value) in try field.members()
        where key.hasSuffix("_token") && (value.isString || value.isObject && value["content"] != nil) {
            Self.append(try Self.token(value), to: &namedTokens)
        }
        if overrides || additionalSpecialTokens.isEmpty {
            // What transformers 4 calls additional, 5 calls extra: a list, or an object whose names matter to nobody here.
            for key in ["additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"] {
                guard let list = field[key] else { continue }
                for value in list.isObject ? try list.members().map(\.value) : try list.elements() where !value.isNull {
                    Self.append(try Self.token(value), to: &additionalSpecialTokens)
                }
            }
        }
    }

    private static func append(_ token: String, to tokens: inout [String]) {
        if !tokens.contains(where: { $0.utf8.elementsEqual(token.utf8) }) { tokens.append(token) }
    }

    private mutating func readAddedTokens(_ field: JSONField) throws {
        let special = Set(specialTokens.map { Array($0.utf8) })
        for (content, value) in try field.members() {
            guard content.utf8.count <= AddedToken.maximumLength else {
                throw value.invalid("an added token is longer than \(AddedToken.maximumLength) bytes")
            }
            let isSpecial = special.contains(Array(content.utf8))
            addedTokens.append(
                AddedToken(content: content, id: try value.tokenId(), special: isSpecial, normalized: !isSpecial)
            )
        }
        addedTokens.sort { $0.id < $1.id }
    }

    /// A token is a string or an object with its content.
    private static func token(_ field: JSONField) throws -> String {
        let text = field.isObject ? try field.required("content") : field
        let token = try text.string()
        guard token.utf8.count <= AddedToken.maximumLength else {
            throw text.invalid("a token is longer than \(AddedToken.maximumLength) bytes")
        }
        return token
    }

    /// A template is a string, or one named "default" in a list.
    static func chatTemplate(_ field: JSONField) throws -> String? {
        if field.isString { return try field.string() }
        for element in try field.elements() where try element.required("name").string() == "default" {
            return try element.required("template").string()
        }
        return nil
    }
}
