// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// Makes the files of a tokenizer that knows more special tokens than the one it begins from.
///
/// The vocabulary stays byte for byte as it is; `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json`
/// and `added_tokens.json` gain what transformers needs to find the new tokens.
public struct TokenizerExtension: Sendable {
    /// A token to add.
    public struct NewToken: Sendable, Equatable {
        /// Its id, which must be free.
        public let id: Int
        /// Its text.
        public let content: String
        /// Whether to list it under `additional_special_tokens`.
        public let isAdditionalSpecial: Bool

        /// A token to add.
        public init(id: Int, content: String, isAdditionalSpecial: Bool = true) {
            self.id = id
            self.content = content
            self.isAdditionalSpecial = isAdditionalSpecial
        }
    }

    /// Tokens to add, by id.
    public var newTokens: [NewToken] = []
    /// The token that ends a text; nil to leave it.
    public var eosToken: String?
    /// The token rows are padded with; nil to leave it.
    public var padToken: String?
    /// Whether a text begins with the bos token; nil to leave it.
    public var addBosToken: Bool?

    /// An extension that changes nothing.
    public init() {}

    /// Files that are taken over unchanged.
    private static let unchanged = ["tokenizer.model", "chat_template.jinja", "chat_template.json"]

    /// The files of the extended tokenizer.
    ///
    /// - Parameter directory: where the tokenizer lies that is extended.
    /// - Returns: contents by file name.
    /// - Throws: `TokenizerError`, naming file and field.
    public func files(from directory: URL) throws -> [String: Data] {
        try TokenizerError.wrapping { try extendedFiles(from: directory) }
    }

    private func extendedFiles(from directory: URL) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in Self.unchanged {
            if let bytes = try AutoTokenizer.read(name, in: directory) { files[name] = Data(bytes) }
        }
        if let definition = try AutoTokenizer.json("tokenizer.json", in: directory) {
            files["tokenizer.json"] = Data(try tokenizerJSON(definition).utf8)
        }
        let config = try AutoTokenizer.json("tokenizer_config.json", in: directory)
        let map = try AutoTokenizer.json("special_tokens_map.json", in: directory)
        var members = try specialTokens(listedIn: [config, map])
        files["special_tokens_map.json"] = Data(try (map ?? Self.emptyObject).setting(members).utf8)
        if let addBosToken { members.append(("add_bos_token", "\(addBosToken)")) }
        members.append(("processor_class", "\"IdeficsProcessor\""))
        if let decoder = config?["added_tokens_decoder"] {
            let entries = try newTokens.map { (key: "\($0.id)", json: try entry($0, withId: false)) }
            members.append(("added_tokens_decoder", try decoder.setting(entries)))
        } else {
            let added = try AutoTokenizer.json("added_tokens.json", in: directory) ?? Self.emptyObject
            let entries = newTokens.map { (key: $0.content, json: "\($0.id)") }
            files["added_tokens.json"] = Data(try added.setting(entries).utf8)
        }
        files["tokenizer_config.json"] = Data(try (config ?? Self.emptyObject).setting(members).utf8)
        return files
    }

    private static var emptyObject: JSONField {
        get throws { try JSONDocument.parse(Array("{}".utf8), file: "").root }
    }

    /// `tokenizer.json` with the new tokens in `added_tokens`.
    private func tokenizerJSON(_ definition: JSONField) throws -> String {
        let entries = try newTokens.map { try entry($0, withId: true) }
        let list = try definition["added_tokens"]?.appending(entries) ?? "[\(entries.joined(separator: ","))]"
        return try definition.setting([("added_tokens", list)])
    }

    /// Members of `tokenizer_config.json` and `special_tokens_map.json` alike.
    private func specialTokens(listedIn files: [JSONField?]) throws -> [(key: String, json: String)] {
        var members: [(key: String, json: String)] = []
        if let eosToken { members.append(("eos_token", try jsonText(eosToken))) }
        if let padToken { members.append(("pad_token", try jsonText(padToken))) }
        let added = try newTokens.filter(\.isAdditionalSpecial).map { try jsonText($0.content) }
        func list(_ key: String) -> JSONField? {
            files.lazy.compactMap { $0?[key] }.first { (try? $0.elementIndices().isEmpty) == false }
        }
        // What transformers 4 calls additional, 5 calls extra, and then looks at nothing else.
        let extra = list("extra_special_tokens")
        if let extra { members.append(("extra_special_tokens", try extra.appending(added))) }
        let additional = list("additional_special_tokens") ?? extra
        members.append(
            ("additional_special_tokens", try additional?.appending(added) ?? "[\(added.joined(separator: ", "))]")
        )
        return members
    }

    private func entry(_ token: NewToken, withId: Bool) throws -> String {
        let flags =
            "\"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true"
        return "{\(withId ? "\"id\": \(token.id), " : "")\"content\": \(try jsonText(token.content)), \(flags)}"
    }
}
