// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A byte-pair-encoding model: text without special tokens → ids.
///
/// Characters become symbols, then the neighbours with the earliest merge, leftmost first, are joined until none is
/// left. Both file formats end here: `tokenizer.json` lists its merges, `tokenizer.model` gives each piece a score,
/// and the order of scores is the order of merges.
struct BytePairModel: Sendable {
    /// How text becomes the first symbols.
    enum Input: Sendable {
        /// Unicode characters.
        case characters
        /// Bytes in GPT-2's alphabet.
        case bytes
    }

    var vocabulary: Vocabulary
    var merges: MergeTable
    var input: Input
    /// The symbol of the unknown token, or `Vocabulary.none`: unknown characters are then dropped.
    var unknownSymbol = Vocabulary.none
    /// A run of unknown characters becomes one unknown token.
    var fusesUnknown = false
    /// A word that is a piece as a whole needs no merging.
    var ignoresMerges = false
    /// Characters that are no pieces but take part in merges; their symbols follow the vocabulary's.
    ///
    /// Only SentencePiece models have them.
    var virtualCharacters: [[UInt8]] = []
    var virtualSymbols: [[UInt8]: UInt32] = [:]

    /// The symbols of `<0x00>` … `<0xFF>`, `none` where there is no such piece; empty without byte fallback.
    private var fallbackSymbols: [UInt32] = []
    /// The symbols of ASCII characters, or of all bytes if `input` is `.bytes`.
    private var singleSymbols: [UInt32] = []
    /// No merge joins another character with a "▁" on its right, so words can be merged one by one.
    private var splitsBeforeMetaspace = false

    static let metaspace: [UInt8] = [0xE2, 0x96, 0x81]

    init(vocabulary: Vocabulary, merges: MergeTable, input: Input) {
        self.vocabulary = vocabulary
        self.merges = merges
        self.input = input
    }

    /// Builds the tables that make encoding fast; to be called when everything else is set.
    ///
    /// `crossesMetaspace` tells whether any merge joins something that does not end in "▁" with something that
    /// starts with it.
    mutating func prepare(byteFallback: Bool, crossesMetaspace: Bool) {
        if byteFallback {
            fallbackSymbols = (0..<256).map { vocabulary.symbol(Self.bytePiece(UInt8($0))) }
        }
        switch input {
        case .characters: singleSymbols = (UInt8(0)..<128).map { lookUp([$0], 0..<1) }
        case .bytes:
            singleSymbols = ByteLevelAlphabet.scalarOfByte.map { scalar in
                var bytes: [UInt8] = []
                appendScalar(scalar, to: &bytes)
                return vocabulary.symbol(bytes)
            }
        }
        splitsBeforeMetaspace =
            !crossesMetaspace && !ignoresMerges && vocabulary.symbol(Self.metaspace) != Vocabulary.none
    }

    /// `<0x0A>` for 10.
    static func bytePiece(_ byte: UInt8) -> [UInt8] {
        let digits = String(byte, radix: 16, uppercase: true)
        return Array((byte < 16 ? "<0x0\(digits)>" : "<0x\(digits)>").utf8)
    }

    /// The byte that `<0xNN>` stands for; hexadecimal digits of either case, as in tokenizers.
    static func byte(ofPiece piece: ArraySlice<UInt8>) -> UInt8? {
        guard piece.count == 6, piece.starts(with: [0x3C, 0x30, 0x78]), piece.last == 0x3E else { return nil }
        let digits = piece.dropFirst(3).dropLast()
        guard digits.first != UInt8(ascii: "-") else { return nil }
        return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    /// Those of `symbols` that encoding can make of several characters.
    func reachable(among symbols: Set<UInt32>) -> Set<UInt32> {
        ignoresMerges ? symbols : merges.results(among: symbols)
    }

    // MARK: - Encoding

    /// Appends the ids of `text[range]`, one word to the pre-tokenizer.
    func encode(_ text: [UInt8], _ range: Range<Int>, into output: inout [Int], using merger: inout PairMerger) {
        guard !range.isEmpty else { return }
        if ignoresMerges, let symbol = wholePiece(text, range), !merger.avoided.contains(symbol) {
            output.append(Int(vocabulary.ids[Int(symbol)]))
            return
        }
        guard splitsBeforeMetaspace else {
            encodeWord(text, range, into: &output, using: &merger)
            return
        }
        var start = range.lowerBound
        var position = start
        var afterMetaspace = true
        while position < range.upperBound {
            // The lead byte decides; "▁" is E2 96 81.
            let isMetaspace = text[position] == 0xE2 && text[position + 1] == 0x96 && text[position + 2] == 0x81
            if isMetaspace, !afterMetaspace {
                encodeWord(text, start..<position, into: &output, using: &merger)
                start = position
            }
            afterMetaspace = isMetaspace
            position += utf8Length(lead: text[position])
        }
        encodeWord(text, start..<range.upperBound, into: &output, using: &merger)
    }

    private func encodeWord(
        _ text: [UInt8],
        _ range: Range<Int>,
        into output: inout [Int],
        using merger: inout PairMerger
    ) {
        merger.symbols.removeAll(keepingCapacity: true)
        switch input {
        case .characters: appendCharacters(text, range, to: &merger.symbols)
        case .bytes: appendBytes(text, range, to: &merger.symbols)
        }
        merger.merge(using: merges)
        if virtualCharacters.isEmpty {
            for symbol in merger.symbols { output.append(Int(vocabulary.ids[Int(symbol)])) }
        } else {
            appendIds(of: merger.symbols, to: &output)
        }
    }

    /// Symbols → ids where some symbols may be characters without a piece.
    private func appendIds(of symbols: [UInt32], to output: inout [Int]) {
        var resolved: [UInt32] = []
        for symbol in symbols {
            if symbol < vocabulary.count {
                if fusesUnknown, symbol == unknownSymbol, resolved.last == symbol { continue }
                resolved.append(symbol)
            } else {
                let character = virtualCharacters[Int(symbol) - vocabulary.count]
                if appendFallback(character, 0..<character.count, to: &resolved) { continue }
                if unknownSymbol == Vocabulary.none || fusesUnknown && resolved.last == unknownSymbol { continue }
                resolved.append(unknownSymbol)
            }
        }
        for symbol in resolved { output.append(Int(vocabulary.ids[Int(symbol)])) }
    }

    // MARK: - First symbols

    private func appendCharacters(_ text: [UInt8], _ range: Range<Int>, to symbols: inout [UInt32]) {
        var position = range.lowerBound
        var pendingUnknown = false
        while position < range.upperBound {
            let lead = text[position]
            let length = utf8Length(lead: lead)
            let symbol = lead < 0x80 ? singleSymbols[Int(lead)] : lookUp(text, position..<position + length)
            if symbol != Vocabulary.none {
                if pendingUnknown {
                    symbols.append(unknownSymbol)
                    pendingUnknown = false
                }
                symbols.append(symbol)
            } else if !appendFallback(text, position..<position + length, to: &symbols) {
                addUnknown(&pendingUnknown, to: &symbols)
            }
            position += length
        }
        if pendingUnknown { symbols.append(unknownSymbol) }
    }

    private func appendBytes(_ text: [UInt8], _ range: Range<Int>, to symbols: inout [UInt32]) {
        var pendingUnknown = false
        for position in range {
            let symbol = singleSymbols[Int(text[position])]
            if symbol != Vocabulary.none {
                if pendingUnknown {
                    symbols.append(unknownSymbol)
                    pendingUnknown = false
                }
                symbols.append(symbol)
            } else {
                var character: [UInt8] = []
                appendScalar(ByteLevelAlphabet.scalarOfByte[Int(text[position])], to: &character)
                if !appendFallback(character, 0..<character.count, to: &symbols) {
                    addUnknown(&pendingUnknown, to: &symbols)
                }
            }
        }
        if pendingUnknown { symbols.append(unknownSymbol) }
    }

    /// tokenizers keeps one unknown token back to fuse the next one with it; byte tokens overtake it.
    private func addUnknown(_ pending: inout Bool, to symbols: inout [UInt32]) {
        guard unknownSymbol != Vocabulary.none else { return }
        if pending, !fusesUnknown { symbols.append(unknownSymbol) }
        pending = true
    }

    /// Appends the byte pieces of a character; false if one of them is missing.
    private func appendFallback(_ text: [UInt8], _ range: Range<Int>, to symbols: inout [UInt32]) -> Bool {
        guard !fallbackSymbols.isEmpty else { return false }
        for position in range where fallbackSymbols[Int(text[position])] == Vocabulary.none { return false }
        for position in range { symbols.append(fallbackSymbols[Int(text[position])]) }
        return true
    }

    private func lookUp(_ text: [UInt8], _ range: Range<Int>) -> UInt32 {
        let symbol = vocabulary.symbol(text, range)
        if virtualSymbols.isEmpty { return symbol }
        // A piece such as "<s>" or "<0x41>" is never a single character, so a hit is a normal piece.
        return symbol != Vocabulary.none ? symbol : virtualSymbols[Array(text[range])] ?? Vocabulary.none
    }

    private func wholePiece(_ text: [UInt8], _ range: Range<Int>) -> UInt32? {
        var symbol = Vocabulary.none
        switch input {
        case .characters: symbol = vocabulary.symbol(text, range)
        case .bytes:
            var word: [UInt8] = []
            for position in range { appendScalar(ByteLevelAlphabet.scalarOfByte[Int(text[position])], to: &word) }
            symbol = vocabulary.symbol(word)
        }
        return symbol == Vocabulary.none ? nil : symbol
    }
}

/// Appends the UTF-8 of `scalar`, which must be a Unicode scalar value.
func appendScalar(_ scalar: UInt32, to output: inout [UInt8]) {
    guard let scalar = Unicode.Scalar(scalar) else { return }
    output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
}
