// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension BPETokenizer {
    /// The ids of `text`, which is gone through once; of each beginning only what follows its last token of markup is
    /// encoded again.
    public func encode(_ text: MarkedText, beginnings: [MarkedText]) -> TokenizedBeginnings {
        let (bytes, isWord) = text.bytes
        var fences: [(end: Int, count: Int)] = [(0, 0)]
        var ids: [Int] = []
        ids.reserveCapacity(bytes.count / 3 + 8)
        encode(bytes, isWord: isWord, into: &ids) { fences.append(($0, $1)) }
        return TokenizedBeginnings(
            ids: ids,
            beginnings: beginnings.map { beginning in
                let (start, startIsWord) = beginning.bytes
                let isBeginning =
                    start.count <= bytes.count && start.elementsEqual(bytes[..<start.count])
                    && (startIsWord == nil) == (isWord == nil)
                    && startIsWord.map { $0.elementsEqual(isWord?[..<start.count] ?? []) } != false
                guard isBeginning, let fence = fences.last(where: { $0.end <= start.count }) else {
                    return .init(encode(beginning, addSpecialTokens: false), of: ids)
                }
                var rest: [Int] = []
                encode(start, isWord: startIsWord, from: fence.end, into: &rest) { _, _ in }
                return .init(rest, of: ids, after: fence.count)
            }
        )
    }
}

extension MarkedText {
    /// The text's bytes, and for each whether it is part of words; nil where all is markup.
    var bytes: (bytes: [UInt8], isWord: [Bool]?) {
        var bytes: [UInt8] = []
        var isWord: [Bool] = []
        for piece in pieces {
            bytes += piece.text.utf8
            isWord += repeatElement(!piece.isMarkup, count: piece.text.utf8.count)
        }
        return (bytes, pieces.contains { !$0.isMarkup } ? isWord : nil)
    }
}
