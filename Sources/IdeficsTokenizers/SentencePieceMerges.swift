// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Finds the merges that a SentencePiece BPE model implies.
///
/// SentencePiece joins the two neighbours whose concatenation is the piece with the highest score. So every way to
/// cut a piece into two possible symbols, pieces or single characters, is a merge ranked by that piece's score.
struct SentencePieceMerges {
    private let pieces: [SentencePieceModel.Piece]
    private let vocabulary: Vocabulary
    private(set) var merges: MergeTable
    /// Characters that occur in pieces but are none, and their symbols.
    private(set) var virtualCharacters: [[UInt8]] = []
    private(set) var virtualSymbols: [[UInt8]: UInt32] = [:]
    private(set) var crossesMetaspace = false

    init(pieces: [SentencePieceModel.Piece], vocabulary: Vocabulary) {
        self.pieces = pieces
        self.vocabulary = vocabulary
        merges = MergeTable(minimumCapacity: pieces.count * 2)
    }

    mutating func build() {
        let normal = pieces.indices.filter { pieces[$0].type == .normal }
        // Equal scores share a rank: then the leftmost pair comes first.
        var rank: UInt32 = 0
        var lastScore = Float.infinity
        for symbol in normal.sorted(by: { (pieces[$0].score, $1) > (pieces[$1].score, $0) }) {
            if pieces[symbol].score < lastScore { rank += 1 }
            lastScore = pieces[symbol].score
            addSplits(of: symbol, rank: rank)
        }
    }

    private mutating func addSplits(of symbol: Int, rank: UInt32) {
        let text = pieces[symbol].text
        var cut = utf8Length(lead: text[0])
        while cut < text.count {
            let length = utf8Length(lead: text[cut])
            let left = part(text, 0..<cut, isCharacter: cut == utf8Length(lead: text[0]))
            let right = part(text, cut..<text.count, isCharacter: cut + length == text.count)
            if let left, let right {
                merges.insert(left, right, rank: rank, symbol: UInt32(symbol))
                crossesMetaspace = crossesMetaspace || TokenizerDefinition.joinsWords(text, cut)
            }
            cut += length
        }
    }

    private mutating func part(_ text: [UInt8], _ range: Range<Int>, isCharacter: Bool) -> UInt32? {
        let symbol = vocabulary.symbol(text, range)
        if symbol != Vocabulary.none { return pieces[Int(symbol)].type == .normal ? symbol : nil }
        guard isCharacter else { return nil }
        let character = Array(text[range])
        if let known = virtualSymbols[character] { return known }
        let new = UInt32(pieces.count + virtualCharacters.count)
        virtualCharacters.append(character)
        virtualSymbols[character] = new
        return new
    }
}
