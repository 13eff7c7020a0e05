// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

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
        var left: [UInt8] = []
        var right: [UInt8] = []
        for (rank, element) in elements.enumerated() {
            left.removeAll(keepingCapacity: true)
            right.removeAll(keepingCapacity: true)
            guard read(element, of: document, &left, &right) else {
                throw TokenizerError.invalidField(
                    file: field.file,
                    field: "\(field.path)[\(rank)]",
                    reason: "a pair of pieces was expected"
                )
            }
            let symbols = (vocabulary.symbol(left), vocabulary.symbol(right))
            let merged = vocabulary.symbol(left + right)
            guard symbols.0 != Vocabulary.none, symbols.1 != Vocabulary.none, merged != Vocabulary.none else {
                let pair = "\(String(decoding: left, as: UTF8.self)) \(String(decoding: right, as: UTF8.self))"
                throw TokenizerError.invalidField(
                    file: field.file,
                    field: "\(field.path)[\(rank)]",
                    reason: "'\(pair.excerpt)' names a piece that is not in the vocabulary"
                )
            }
            crosses = crosses || joinsWords(left, right)
            merges.insert(symbols.0, symbols.1, rank: UInt32(rank), symbol: merged)
        }
        return (merges, crosses)
    }

    /// Whether a "▁" at the start of `right` would come after some other character.
    static func joinsWords(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        right.starts(with: BytePairModel.metaspace) && !left.suffix(3).elementsEqual(BytePairModel.metaspace)
    }

    /// Reads `"left right"` or `["left", "right"]`.
    private static func read(
        _ element: Int,
        of document: JSONDocument,
        _ left: inout [UInt8],
        _ right: inout [UInt8]
    ) -> Bool {
        if document.isString(at: element) {
            document.appendString(at: element, to: &left)
            guard let space = left.firstIndex(of: UInt8(ascii: " ")) else { return false }
            right.append(contentsOf: left[(space + 1)...])
            left.removeSubrange(space...)
            return !right.contains(UInt8(ascii: " ")) && !left.isEmpty && !right.isEmpty
        }
        let node = document.nodes[element]
        guard node.kind == .array, Int(node.next) == element + 3, document.isString(at: element + 1),
            document.isString(at: element + 2)
        else { return false }
        document.appendString(at: element + 1, to: &left)
        document.appendString(at: element + 2, to: &right)
        return !left.isEmpty && !right.isEmpty
    }
}
