// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// Turning a SentencePiece model into the same parts as tokenizer.json, the way transformers 4 converts Llama's.

extension TokenizerDefinition {
    /// Converts a model.
    ///
    /// - Parameters:
    ///   - model: What the file says.
    ///   - isLegacy: A "▁" goes before every stretch of text between special tokens, not only before the first.
    /// - Throws: `TokenizerError`.
    init(sentencePiece model: SentencePieceModel, isLegacy: Bool) throws {
        func refuse(_ field: String, _ name: String) -> TokenizerError {
            .unsupported(file: model.file, field: field, name: name)
        }
        guard !model.pieces.isEmpty else {
            throw TokenizerError.missingField(file: model.file, field: "pieces")
        }
        guard model.modelType == 2 else {
            let names: [UInt64: String] = [1: "unigram", 3: "word", 4: "char"]
            throw refuse("trainer_spec.model_type", "model \(names[model.modelType] ?? String(model.modelType))")
        }
        guard !model.hasCharacterMap, ["", "identity"].contains(model.normalizerName) else {
            throw refuse("normalizer_spec", "normaliser '\(model.normalizerName.excerpt)'")
        }
        guard !model.treatsSpaceAsSuffix else { throw refuse("trainer_spec", "treat_whitespace_as_suffix") }
        guard model.escapeSpaces else { throw refuse("normalizer_spec", "escape_whitespaces = false") }

        let space: [UInt8] = [UInt8(ascii: " ")]
        decoder = TokenDecoder()
        decoder.replacements = [.init(pattern: BytePairModel.metaspace, content: space)]
        decoder.byteFallback = true
        if model.removeExtraSpaces { normalizer.steps.append(.removeExtraSpaces) }
        if model.addDummyPrefix {
            decoder.strip = .init(content: space, start: 1, stop: 0)
            if isLegacy {
                normalizer.steps.append(.prepend(BytePairModel.metaspace))
            } else {
                let metaspace = BytePairModel.metaspace
                preTokenizer.steps = [.metaspace(replacement: metaspace, scheme: .first, split: false)]
            }
        }
        normalizer.steps.append(.replace(pattern: space, content: BytePairModel.metaspace))

        self.model = try Self.model(model)
        isLlamaLike = true
        func token(_ id: Int) -> String? {
            model.pieces.indices.contains(id) ? String(decoding: model.pieces[id].text, as: UTF8.self) : nil
        }
        bosToken = token(model.bosId)
        eosToken = token(model.eosId)
        unknownToken = token(model.unknownId)
        padToken = token(model.padId)
        for (id, piece) in model.pieces.enumerated() where [.unknown, .control, .userDefined].contains(piece.type) {
            guard piece.text.count <= AddedToken.maximumLength else {
                throw TokenizerError.invalidField(
                    file: model.file,
                    field: "pieces[\(id)]",
                    reason: "a special piece is longer than \(AddedToken.maximumLength) bytes"
                )
            }
            let content = String(decoding: piece.text, as: UTF8.self)
            addedTokens.append(AddedToken(content: content, id: id, special: piece.type != .userDefined))
        }
    }

    private static func model(_ source: SentencePieceModel) throws -> BytePairModel {
        var vocabulary = Vocabulary(minimumCapacity: source.pieces.count)
        for (id, piece) in source.pieces.enumerated() {
            guard vocabulary.insert(id: Int32(id), write: { $0.append(contentsOf: piece.text) }) else {
                throw TokenizerError.invalidField(
                    file: source.file,
                    field: "pieces[\(id)]",
                    reason: "'\(String(decoding: piece.text, as: UTF8.self).excerpt)' is there twice"
                )
            }
        }
        _ = vocabulary.indexIds()
        guard let unknownId = source.pieces.firstIndex(where: { $0.type == .unknown }),
            unknownId == source.unknownId
        else {
            throw TokenizerError.invalidField(
                file: source.file,
                field: "trainer_spec.unk_id",
                reason: "piece \(source.unknownId) is not the unknown piece"
            )
        }
        if source.byteFallback {
            for byte in UInt8.min...UInt8.max {
                let symbol = vocabulary.symbol(BytePairModel.bytePiece(byte))
                guard symbol != Vocabulary.none, source.pieces[Int(symbol)].type == .byte else {
                    let name = String(decoding: BytePairModel.bytePiece(byte), as: UTF8.self)
                    throw TokenizerError.missingField(file: source.file, field: "pieces: \(name)")
                }
            }
        }
        var builder = SentencePieceMerges(pieces: source.pieces, vocabulary: vocabulary)
        builder.build()
        var model = BytePairModel(vocabulary: vocabulary, merges: builder.merges, input: .characters)
        model.unknownSymbol = UInt32(unknownId)
        model.fusesUnknown = true
        model.virtualCharacters = builder.virtualCharacters
        model.virtualSymbols = builder.virtualSymbols
        model.prepare(byteFallback: source.byteFallback, crossesMetaspace: builder.crossesMetaspace)
        return model
    }
}
