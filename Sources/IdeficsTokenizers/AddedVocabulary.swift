// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// All added tokens of a tokenizer, by id and by content, with the matchers that find them.
struct AddedVocabulary: Sendable {
    private(set) var tokens: [AddedToken] = []
    private var indexOfId: [Int: Int] = [:]
    private var indexOfContent: [[UInt8]: Int] = [:]

    /// Finds tokens in the raw text.
    private(set) var rawMatcher = AddedTokenMatcher()
    /// Finds tokens in the normalized text.
    private(set) var normalizedMatcher = AddedTokenMatcher()

    /// Adds a token unless its content is empty or already there; false if the id belongs to another one.
    mutating func insert(_ token: AddedToken) -> Bool {
        let content = Array(token.content.utf8)
        guard !content.isEmpty, indexOfContent[content] == nil else { return true }
        guard indexOfId[token.id] == nil else { return false }
        indexOfId[token.id] = tokens.count
        indexOfContent[content] = tokens.count
        tokens.append(token)
        return true
    }

    func token(id: Int) -> AddedToken? {
        indexOfId[id].map { tokens[$0] }
    }

    func token(content: [UInt8]) -> AddedToken? {
        indexOfContent[content].map { tokens[$0] }
    }

    mutating func markSpecial(content: [UInt8]) {
        if let index = indexOfContent[content] { tokens[index].special = true }
    }

    /// Builds the matchers; to be called when all tokens are in.
    mutating func prepare(normalizer: Normalizer) {
        rawMatcher = AddedTokenMatcher()
        normalizedMatcher = AddedTokenMatcher()
        for (index, token) in tokens.enumerated() {
            var content = Array(token.content.utf8)
            if token.normalized {
                normalizer.apply(to: &content)
                normalizedMatcher.insert(content, token: index)
            } else {
                rawMatcher.insert(content, token: index)
            }
        }
    }
}
