// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

// Reading tokenizer.json, the format of the tokenizers library.

extension TokenizerDefinition {
    /// Reads a whole `tokenizer.json`.
    init(json root: JSONField) throws {
        let modelField = try root.required("model")
        normalizer = try Normalizer(root["normalizer"])
        preTokenizer = try PreTokenizer(root["pre_tokenizer"])
        postProcessor = try PostProcessor(root["post_processor"])
        decoder = try TokenDecoder(root["decoder"])
        try normalizer.checkSize(root)
        try preTokenizer.checkSize(root)
        (model, unknownToken) = try Self.model(modelField, isByteLevel: preTokenizer.isByteLevel)
        isLlamaLike = try modelField["byte_fallback"]?.bool() ?? false
        for element in try root["added_tokens"]?.elements() ?? [] {
            addedTokens.append(try AddedToken(element, id: try element.required("id").tokenId()))
        }
    }

    private static func model(_ field: JSONField, isByteLevel: Bool) throws -> (BytePairModel, String?) {
        if let type = field["type"], try type.string() != "BPE" {
            throw type.unsupported("model \(try type.string())")
        }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let affix = field[key], try !affix.utf8().isEmpty { throw affix.unsupported("a subword affix") }
        }
        // Any number but a plain zero is a probability, which is for training only.
        if let dropout = field["dropout"], dropout.document.integer(at: dropout.index) != 0,
            !["0.0", "-0.0"].contains(dropout.sourceText)
        {
            throw dropout.unsupported("dropout")
        }
        let vocabulary = try vocabulary(try field.required("vocab"))
        let (merges, crosses) = try merges(try field.required("merges"), vocabulary)
        var model = BytePairModel(vocabulary: vocabulary, merges: merges, input: isByteLevel ? .bytes : .characters)
        model.fusesUnknown = try field["fuse_unk"]?.bool() ?? false
        model.ignoresMerges = try field["ignore_merges"]?.bool() ?? false
        var unknownToken: String?
        if let unknown = field["unk_token"] {
            unknownToken = try unknown.string()
            model.unknownSymbol = vocabulary.symbol(try unknown.utf8())
            guard model.unknownSymbol != Vocabulary.none else {
                throw unknown.invalid("'\(try unknown.string().excerpt)' is not in the vocabulary")
            }
        }
        model.prepare(byteFallback: try field["byte_fallback"]?.bool() ?? false, crossesMetaspace: crosses)
        return (model, unknownToken)
    }

    private static func vocabulary(_ field: JSONField) throws -> Vocabulary {
        let members = try field.memberIndices()
        let document = field.document
        var vocabulary = Vocabulary(minimumCapacity: members.count)
        for (key, value) in members {
            // The path is only built for a complaint: there are 10⁵ members.
            guard let id = document.integer(at: value), id >= 0, let id = Int32(exactly: id) else {
                throw field.invalid("the id of '\(document.string(at: key).excerpt)' is not a token id")
            }
            guard document.isText(at: key) else {
                throw field.invalid("the piece with the id \(id) holds half of a surrogate pair, which is no text")
            }
            guard vocabulary.insert(id: id, write: { document.appendString(at: key, to: &$0) }) else {
                throw field.invalid("'\(document.string(at: key).excerpt)' is there twice")
            }
        }
        guard vocabulary.count > 0 else { throw field.invalid("the vocabulary is empty") }
        if let id = vocabulary.indexIds() { throw field.invalid("two pieces have the id \(id)") }
        return vocabulary
    }

    /// The merges, and whether one of them has a "▁" inside after another character.
    private static func merges(_ field: JSONField, _ vocabulary: Vocabulary) throws -> (MergeTable, Bool) {
        let elements = try field.elementIndices()
        let document = field.document
        var merges = MergeTable(minimumCapacity: elements.count)
        var crosses = false
        var pair: [UInt8] = []
        for (rank, element) in elements.enumerated() {
            pair.removeAll(keepingCapacity: true)
            guard let cut = read(element, of: document, into: &pair) else {
                throw TokenizerError.invalidField(
                    file: field.file,
                    field: "\(field.path)[\(rank)]",
                    reason: "a pair of pieces was expected"
                )
            }
            let left = vocabulary.symbol(pair, 0..<cut)
            let right = vocabulary.symbol(pair, cut..<pair.count)
            let merged = vocabulary.symbol(pair, 0..<pair.count)
            guard left != Vocabulary.none, right != Vocabulary.none, merged != Vocabulary.none else {
                let text =
                    "\(String(decoding: pair[..<cut], as: UTF8.self)) \(String(decoding: pair[cut...], as: UTF8.self))"
                throw TokenizerError.invalidField(
                    file: field.file,
                    field: "\(field.path)[\(rank)]",
                    reason: "'\(text.excerpt)' names a piece that is not in the vocabulary"
                )
            }
            crosses = crosses || joinsWords(pair, cut)
            merges.insert(left, right, rank: UInt32(rank), symbol: merged)
        }
        return (merges, crosses)
    }

    /// Whether a "▁" comes after some other character where `piece` is cut.
    static func joinsWords(_ piece: [UInt8], _ cut: Int) -> Bool {
        guard piece[cut] == BytePairModel.metaspace[0], piece[cut...].starts(with: BytePairModel.metaspace) else {
            return false
        }
        return !piece[..<cut].suffix(3).elementsEqual(BytePairModel.metaspace)
    }

    /// Reads `"left right"` or `["left", "right"]` as the two put together; returns where they meet.
    private static func read(_ element: Int, of document: JSONDocument, into pair: inout [UInt8]) -> Int? {
        if document.isText(at: element) {
            document.appendString(at: element, to: &pair)
            guard let cut = pair.firstIndex(of: UInt8(ascii: " ")), cut > 0, cut + 1 < pair.count else { return nil }
            pair.remove(at: cut)
            return pair[cut...].contains(UInt8(ascii: " ")) ? nil : cut
        }
        let node = document.nodes[element]
        guard node.kind == .array, Int(node.next) == element + 3, document.isText(at: element + 1),
            document.isText(at: element + 2)
        else { return nil }
        document.appendString(at: element + 1, to: &pair)
        let cut = pair.count
        document.appendString(at: element + 2, to: &pair)
        return cut > 0 && cut < pair.count ? cut : nil
    }
}
