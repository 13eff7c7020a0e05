// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The side on which shorter prompts of a batch are filled up with the pad token.
public enum PaddingSide: String, Sendable, Codable {
    /// Pads come first, so that all prompts end in the same column; what generation needs.
    case left
    /// Pads come last.
    case right
}

/// Turns text into token ids and back.
///
/// The names and the behaviour are those of transformers' tokenizers.
public protocol Tokenizer: Sendable {
    /// The number of tokens, added ones included.
    var vocabSize: Int { get }
    /// The token that starts a text.
    var bosToken: String? { get }
    /// The token that ends a text.
    var eosToken: String? { get }
    /// The token for text that the vocabulary cannot express.
    var unknownToken: String? { get }
    /// The token that fills up shorter rows of a batch.
    var padToken: String? { get }
    /// Further special tokens, such as `<image>`, in the order of the configuration.
    var additionalSpecialTokens: [String] { get }
    /// Whether texts begin with `bosToken`: `add_bos_token` of the configuration, nil where it says nothing.
    var addsBosToken: Bool? { get }
    /// Where pads go.
    var paddingSide: PaddingSide { get }
    /// The number of tokens the model was made for, nil where the configuration sets no real limit.
    var modelMaxLength: Int? { get }
    /// The Jinja text of the chat template, as it stands in the configuration.
    var chatTemplate: String? { get }

    /// The ids of `text`; with `addSpecialTokens` also those the post-processor puts around it (bos, eos).
    ///
    /// Special tokens written out in the text are recognized either way.
    func encode(text: String, addSpecialTokens: Bool) -> [Int]

    /// The ids of `text` as one text; special tokens are recognized in its markup and not in its words.
    func encode(_ text: MarkedText, addSpecialTokens: Bool) -> [Int]

    /// The ids of `text`, without special tokens around it, and how far they are those of texts it begins with.
    func encode(_ text: MarkedText, beginnings: [MarkedText]) -> TokenizedBeginnings

    /// The text of `tokenIds`; ids outside the vocabulary are skipped.
    func decode(tokenIds: [Int], skipSpecialTokens: Bool) -> String

    /// The id of exactly this token, nil if there is none.
    func convertTokenToId(_ token: String) -> Int?

    /// The token with this id as the vocabulary writes it (`▁the`, `Ġthe`), nil if there is none.
    func convertIdToToken(_ tokenId: Int) -> String?
}

extension Tokenizer {
    /// The id of `bosToken`.
    public var bosTokenId: Int? { bosToken.flatMap(convertTokenToId) }
    /// The id of `eosToken`.
    public var eosTokenId: Int? { eosToken.flatMap(convertTokenToId) }
    /// The id of `unknownToken`.
    public var unknownTokenId: Int? { unknownToken.flatMap(convertTokenToId) }
    /// The id of `padToken`.
    public var padTokenId: Int? { padToken.flatMap(convertTokenToId) }

    /// The configuration says nothing of it.
    public var addsBosToken: Bool? { nil }
    /// No limit.
    public var modelMaxLength: Int? { nil }
    /// No chat template.
    public var chatTemplate: String? { nil }

    /// The ids of `text` with the special tokens of the post-processor, as transformers' default.
    public func encode(text: String) -> [Int] {
        encode(text: text, addSpecialTokens: true)
    }

    /// The text of `tokenIds` with special tokens written out, as transformers' default.
    public func decode(tokenIds: [Int]) -> String {
        decode(tokenIds: tokenIds, skipSpecialTokens: false)
    }
}
