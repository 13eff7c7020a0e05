// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A byte-pair-encoding tokenizer, Llama's or byte-level, from either file format.
///
/// Immutable, so it can be used from many threads at once. Text goes through these steps, each as in the tokenizers
/// library: cut out added tokens, normalize what is between them, cut it into words, merge each word, add bos/eos.
public final class BPETokenizer: Tokenizer {
    /// How tokens become text; streaming uses it too.
    let decoder: TokenDecoder
    private let model: BytePairModel
    private let normalizer: Normalizer
    private let preTokenizer: PreTokenizer
    private let postProcessor: PostProcessor
    private let added: AddedVocabulary
    /// Symbols of tokens that are structure and could come of merging words.
    private let markupSymbols: Set<UInt32>

    /// The number of tokens, added ones included (`len(tokenizer)`).
    public let vocabSize: Int
    /// The token that starts a text.
    public let bosToken: String?
    /// The token that ends a text.
    public let eosToken: String?
    /// The token for text that the vocabulary cannot express.
    public let unknownToken: String?
    /// The token that fills up shorter rows of a batch.
    public let padToken: String?
    /// Further special tokens, in the order of the configuration.
    public let additionalSpecialTokens: [String]
    /// Whether texts begin with `bosToken`: `add_bos_token` of the configuration, nil where it says nothing.
    public let addsBosToken: Bool?
    /// Where pads go; left for Llama tokenizers unless the configuration says otherwise.
    public let paddingSide: PaddingSide
    /// The number of tokens the model was made for, nil where the configuration sets no real limit.
    public let modelMaxLength: Int?
    /// The Jinja text of the chat template, as it stands in the configuration.
    public let chatTemplate: String?

    /// Puts together what the tokenizer file and the configuration beside it say; `file` is for complaints.
    init(_ definition: TokenizerDefinition, config: TokenizerConfig, file: String) throws {
        var definition = definition
        definition.obey(addPrefixSpace: config.addPrefixSpace, tokenizerClass: config.tokenizerClass)
        let added = try Self.addedVocabulary(definition, config, file: file)
        model = definition.model
        normalizer = definition.normalizer
        preTokenizer = definition.preTokenizer
        decoder = definition.decoder
        self.added = added
        let model = model
        let symbols = added.tokens.filter(\.isMarkup).map { model.vocabulary.symbol(Array($0.content.utf8)) }
        markupSymbols = model.reachable(among: Set(symbols.filter { $0 != Vocabulary.none }))
        vocabSize =
            model.vocabulary.count
            + added.tokens.count { model.vocabulary.symbol(Array($0.content.utf8)) == Vocabulary.none }
        bosToken = config.bosToken ?? definition.bosToken
        eosToken = config.eosToken ?? definition.eosToken
        unknownToken = config.unknownToken ?? definition.unknownToken
        padToken = config.padToken ?? definition.padToken
        additionalSpecialTokens = config.additionalSpecialTokens
        addsBosToken = config.addBosToken
        paddingSide = config.paddingSide ?? (config.isLlama ?? definition.isLlamaLike ? .left : .right)
        modelMaxLength = config.modelMaxLength
        chatTemplate = config.chatTemplate
        // transformers 5 saves a template in tokenizer.json alone, and believes it where the configuration is silent.
        let saysNothing = config.addBosToken == nil && config.addEosToken == nil
        if config.isLlama == true, !(saysNothing && definition.postProcessor.isTemplate) {
            // Otherwise its Llama class builds its own template, whatever tokenizer.json says.
            postProcessor = PostProcessor(
                prefix: try Self.ids(of: bosToken, if: config.addBosToken ?? true, added, "bos_token", file),
                suffix: try Self.ids(of: eosToken, if: config.addEosToken ?? false, added, "eos_token", file)
            )
        } else {
            postProcessor = definition.postProcessor
        }
    }

    private static func ids(
        of token: String?,
        if isWanted: Bool,
        _ added: AddedVocabulary,
        _ field: String,
        _ file: String
    ) throws -> [Int] {
        guard isWanted else { return [] }
        guard let token, let id = added.token(content: Array(token.utf8))?.id else {
            throw TokenizerError.missingField(file: file, field: field)
        }
        return [id]
    }

    /// The tokens of the tokenizer file, then those only the configuration knows.
    private static func addedVocabulary(
        _ definition: TokenizerDefinition,
        _ config: TokenizerConfig,
        file: String
    ) throws -> AddedVocabulary {
        let vocabulary = definition.model.vocabulary
        var added = AddedVocabulary()
        func insert(_ token: AddedToken) throws {
            var token = token
            let symbol = vocabulary.symbol(Array(token.content.utf8))
            let owner = vocabulary.symbol(id: token.id)
            if symbol != Vocabulary.none, added.token(content: Array(token.content.utf8)) == nil {
                token.id = Int(vocabulary.ids[Int(symbol)])
            } else if symbol == Vocabulary.none, owner != Vocabulary.none {
                throw conflict(token)
            }
            guard added.insert(token) else { throw conflict(token) }
        }
        func conflict(_ token: AddedToken) -> TokenizerError {
            .invalidField(
                file: file,
                field: "added token '\(token.content.excerpt)'",
                reason: "its id \(token.id) belongs to another token"
            )
        }
        for token in definition.addedTokens { try insert(token) }
        for token in config.addedTokens { try insert(token) }
        var nextId = max(
            Int(vocabulary.ids.max() ?? -1),
            added.tokens.map(\.id).max() ?? -1
        )
        var special = config.specialTokens
        if config.bosToken == nil, config.isLlama == true { special += [definition.bosToken].compactMap { $0 } }
        for content in special {
            let bytes = Array(content.utf8)
            if added.token(content: bytes) != nil {
                added.markSpecial(content: bytes)
            } else {
                let symbol = vocabulary.symbol(bytes)
                if symbol == Vocabulary.none { nextId += 1 }
                let id = symbol == Vocabulary.none ? nextId : Int(vocabulary.ids[Int(symbol)])
                try insert(AddedToken(content: content, id: id, special: true))
            }
        }
        for content in config.namedTokens { added.markSpecial(content: Array(content.utf8)) }
        added.prepare(normalizer: definition.normalizer)
        return added
    }

    // MARK: - Encoding

    /// The ids of `text`; with `addSpecialTokens` also those the post-processor puts around it (bos, eos).
    ///
    /// Special tokens written out in the text are recognized either way. O(n log n) in the length of the text.
    public func encode(text: String, addSpecialTokens: Bool) -> [Int] {
        encode(Array(text.utf8), isWord: nil, addSpecialTokens: addSpecialTokens)
    }

    /// The ids of `text` as one text; special tokens are recognized in its markup and not in its words.
    public func encode(_ text: MarkedText, addSpecialTokens: Bool) -> [Int] {
        let (bytes, isWord) = text.bytes
        return encode(bytes, isWord: isWord, addSpecialTokens: addSpecialTokens)
    }

    private func encode(_ bytes: [UInt8], isWord: [Bool]?, addSpecialTokens: Bool) -> [Int] {
        var output = addSpecialTokens ? postProcessor.prefix : []
        output.reserveCapacity(output.count + bytes.count / 3 + 8)
        encode(bytes, isWord: isWord, into: &output) { _, _ in }
        if addSpecialTokens { output += postProcessor.suffix }
        return output
    }

    /// Adds the ids of a part of `bytes`.
    ///
    /// - Parameters:
    ///   - bytes: a text.
    ///   - isWord: for each byte whether it is part of words; nil where all is markup.
    ///   - start: where the part begins: at 0, or where `fence` was called with.
    ///   - end: where the text ends; what comes after it is not there. nil for all of it.
    ///   - output: receives the ids.
    ///   - fence: is called with the end of each token that is cut out before all else, and the count of ids up to there:
    ///     however the text goes on, or where it ends, these ids are the same.
    func encode(
        _ bytes: [UInt8],
        isWord: [Bool]?,
        from start: Int = 0,
        to end: Int? = nil,
        into output: inout [Int],
        fence: (Int, Int) -> Void
    ) {
        var merger = PairMerger()
        if isWord != nil { merger.avoided = markupSymbols }
        let range = 0..<(end ?? bytes.count)
        for outer in added.rawMatcher.split(bytes, range, tokens: added.tokens, isWord: isWord, from: start) {
            if let token = outer.token {
                output.append(added.tokens[token].id)
                // Others depend on what follows them.
                if !added.tokens[token].rstrip, !added.tokens[token].singleWord {
                    fence(outer.range.upperBound, output.count)
                }
                continue
            }
            var segment = Array(bytes[outer.range])
            // Whose bytes they are is carried along only where it is asked again.
            var isWord = added.normalizedMatcher.isEmpty ? nil : isWord.map { Array($0[outer.range]) }
            normalizer.apply(to: &segment, isWord: &isWord)
            let inner = added.normalizedMatcher.split(
                segment,
                0..<segment.count,
                tokens: added.tokens,
                isWord: isWord
            )
            for part in inner {
                if let token = part.token {
                    output.append(added.tokens[token].id)
                } else {
                    let isFirst = outer.range.lowerBound == 0 && part.range.lowerBound == 0
                    var words = inner.count == 1 ? segment : Array(segment[part.range])
                    var start = 0
                    for end in preTokenizer.apply(to: &words, isFirst: isFirst) {
                        model.encode(words, start..<end, into: &output, using: &merger)
                        start = end
                    }
                }
            }
        }
    }

    // MARK: - Decoding

    /// The text of `tokenIds`; ids outside the vocabulary are skipped.
    public func decode(tokenIds: [Int], skipSpecialTokens: Bool) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(tokenIds.count * 4)
        var state = DetokenizerState(decoder: decoder)
        for tokenId in tokenIds {
            append(tokenId, skipSpecialTokens: skipSpecialTokens, to: &output, state: &state)
        }
        state.finish(to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// Feeds one token to a decoding in progress.
    func append(
        _ tokenId: Int,
        skipSpecialTokens: Bool,
        to output: inout [UInt8],
        state: inout DetokenizerState
    ) {
        if let token = added.token(id: tokenId) {
            if skipSpecialTokens, token.special { return }
            state.append(Array(token.content.utf8)[...], to: &output)
            return
        }
        let symbol = model.vocabulary.symbol(id: tokenId)
        guard symbol != Vocabulary.none else { return }
        state.append(model.vocabulary.piece(symbol), to: &output)
    }

    // MARK: - Single tokens

    /// The id of exactly this token, compared byte by byte; nil if there is none.
    public func convertTokenToId(_ token: String) -> Int? {
        let bytes = Array(token.utf8)
        if let token = added.token(content: bytes) { return token.id }
        let symbol = model.vocabulary.symbol(bytes)
        return symbol == Vocabulary.none ? nil : Int(model.vocabulary.ids[Int(symbol)])
    }

    /// The token with this id as the vocabulary writes it (`▁the`, `Ġthe`), nil if there is none.
    public func convertIdToToken(_ tokenId: Int) -> String? {
        if let token = added.token(id: tokenId) { return token.content }
        let symbol = model.vocabulary.symbol(id: tokenId)
        return symbol == Vocabulary.none ? nil : String(decoding: model.vocabulary.piece(symbol), as: UTF8.self)
    }
}
