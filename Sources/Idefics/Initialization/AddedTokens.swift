// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTokenizers

/// The tokens an IDEFICS adds to a language model's vocabulary, and the ends of texts and turns.
struct AddedTokens {
    /// The tokenizer's files with the tokens in them.
    let tokenizer: TokenizerExtension
    /// Tokens with embeddings of their own: 2, or 3 with `<end_of_utterance>`.
    let count: Int
    let padTokenId: Int
    let bosTokenId: Int
    /// Tokens at which generation ends: the language model's own, `<end_of_utterance>`, and the end of a document.
    let eosTokenIds: [Int]
    /// The token that ends a document, after which an image is no longer seen.
    let documentEndId: Int

    /// The tokens for `backbone`.
    ///
    /// - Throws: `IdeficsError.model` when its vocabulary has no room for them or lacks what they need.
    init(_ backbone: LanguageModelBackbone, addsEndOfUtterance: Bool) throws {
        let tokenizer = backbone.tokenizer
        func problem(_ reason: String) -> IdeficsError { .model(path: backbone.directory.path, reason: reason) }
        var names = [IdeficsProcessor.fakeToken, IdeficsProcessor.imageToken]
        if addsEndOfUtterance { names.append(IdeficsProcessor.endOfUtteranceToken) }
        if let known = names.first(where: { tokenizer.convertTokenToId($0) != nil }) {
            throw problem("the tokenizer has a token \(known) already")
        }
        let rows = backbone.config.vocabSize
        let known = tokenizer.vocabSize
        guard known <= rows else { throw problem("the tokenizer has \(known) tokens, the embedding only \(rows) rows") }
        guard rows - known <= Self.maximumFill, (known..<rows).allSatisfy({ tokenizer.convertIdToToken($0) == nil })
        else { throw problem("the ids \(known)..<\(rows) are not all free for tokens") }
        // Added tokens follow the embedding's rows. Tokenizers number added tokens without gaps, so rows that no token
        // uses (padding of the vocabulary) get tokens that never appear in text.
        var new = (known..<rows).map {
            TokenizerExtension.NewToken(id: $0, content: "<|unused_\($0)|>", isAdditionalSpecial: false)
        }
        new += names.enumerated().map { TokenizerExtension.NewToken(id: rows + $0, content: $1) }
        guard let end = Self.documentEnd(tokenizer) else {
            throw problem("the tokenizer has no token that ends a text")
        }
        let pad = tokenizer.padToken ?? tokenizer.unknownToken ?? end.token
        var files = TokenizerExtension()
        files.newTokens = new
        files.eosToken = end.token
        files.padToken = pad
        // Tokenizers that say nothing add it if they are Llama's.
        let addsBos = tokenizer.encode(text: "a", addSpecialTokens: true).first == tokenizer.bosTokenId
        files.addBosToken = tokenizer.bosTokenId != nil && addsBos
        self.tokenizer = files
        count = names.count
        documentEndId = end.id
        padTokenId = tokenizer.convertTokenToId(pad) ?? end.id
        bosTokenId = tokenizer.bosTokenId ?? backbone.config.bosTokenId ?? end.id
        var ends = backbone.eosTokenIds.filter { 0..<rows ~= $0 }
        if addsEndOfUtterance { ends.insert(rows + 2, at: 0) }
        if !ends.contains(end.id) { ends.append(end.id) }
        eosTokenIds = ends
    }

    /// Rows of an embedding that no token uses, at most: real vocabularies are padded to a multiple of 64 to 512.
    private static let maximumFill = 4096

    /// The token that ends a document.
    ///
    /// In chat models with ChatML turns the tokenizer's end is the end of a turn. Taking it for the end of a document
    /// would hide every image from the answer, since text after an end of document sees no image before it.
    private static func documentEnd(_ tokenizer: any Tokenizer) -> (token: String, id: Int)? {
        let candidates = tokenizer.eosToken == "<|im_end|>" ? ["<|endoftext|>"] : []
        for token in candidates + [tokenizer.eosToken].compactMap({ $0 }) {
            if let id = tokenizer.convertTokenToId(token) { return (token, id) }
        }
        return nil
    }
}
