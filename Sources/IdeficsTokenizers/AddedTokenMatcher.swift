// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Cuts a text at the added tokens in it: leftmost first, of those the longest.
struct AddedTokenMatcher: Sendable {
    /// A stretch of text, and the index of the added token it is, if it is one.
    struct Segment: Equatable {
        var range: Range<Int>
        var token: Int?
    }

    /// A trie; the children of a node are a linked list, as most nodes have one.
    private struct Node {
        var byte: UInt8
        var token: Int32 = -1
        var firstChild: Int32 = -1
        var nextSibling: Int32 = -1
    }

    private var nodes = [Node(byte: 0)]
    private var starts = [Bool](repeating: false, count: 256)

    var isEmpty: Bool { nodes.count == 1 }

    /// Adds a token; the first of two with the same content counts.
    mutating func insert(_ content: [UInt8], token: Int) {
        guard let first = content.first else { return }
        starts[Int(first)] = true
        var node = 0
        for byte in content {
            var child = nodes[node].firstChild
            while child >= 0, nodes[Int(child)].byte != byte { child = nodes[Int(child)].nextSibling }
            if child < 0 {
                child = Int32(nodes.count)
                nodes.append(Node(byte: byte, nextSibling: nodes[node].firstChild))
                nodes[node].firstChild = child
            }
            node = Int(child)
        }
        if nodes[node].token < 0 { nodes[node].token = Int32(token) }
    }

    /// The segments of `text[range]`, none of them empty.
    ///
    /// - Parameters:
    ///   - text: what is cut.
    ///   - range: the part of it that is.
    ///   - tokens: the added tokens by index.
    ///   - isWord: for each byte whether it is part of words, where markup has no place; nil where all is markup.
    ///   - start: where the segments begin, the end of an earlier one of the same range; nil for its beginning.
    /// - Returns: the segments.
    func split(
        _ text: [UInt8],
        _ range: Range<Int>,
        tokens: [AddedToken],
        isWord: [Bool]? = nil,
        from start: Int? = nil
    ) -> [Segment] {
        var done = start ?? range.lowerBound
        guard done < range.upperBound else { return [] }
        guard !isEmpty else { return [Segment(range: done..<range.upperBound, token: nil)] }
        var segments: [Segment] = []
        var position = done
        while position < range.upperBound {
            guard starts[Int(text[position])],
                let match = longestMatch(text, position, range.upperBound, tokens, isWord)
            else {
                position += 1
                continue
            }
            defer { position = match.end }
            let token = tokens[match.token]
            var start = position
            var end = match.end
            if token.singleWord, touchesWord(text, start..<end, in: range) { continue }
            if token.lstrip {
                while start > done {
                    let (value, length) = scalar(text, before: start)
                    guard ScalarClass.isSpace(value) else { break }
                    start -= length
                }
            }
            if token.rstrip {
                while end < range.upperBound {
                    let (value, length) = scalar(text, at: end)
                    guard ScalarClass.isSpace(value) else { break }
                    end += length
                }
            }
            if done < start { segments.append(Segment(range: done..<start, token: nil)) }
            segments.append(Segment(range: max(start, min(done, end))..<end, token: match.token))
            done = max(done, end)
        }
        if done < range.upperBound { segments.append(Segment(range: done..<range.upperBound, token: nil)) }
        return segments
    }

    private func longestMatch(
        _ text: [UInt8],
        _ start: Int,
        _ end: Int,
        _ tokens: [AddedToken],
        _ isWord: [Bool]?
    ) -> (token: Int, end: Int)? {
        var found: (token: Int, end: Int)?
        var hasWords = false
        var node = 0
        var position = start
        while position < end {
            var child = nodes[node].firstChild
            while child >= 0, nodes[Int(child)].byte != text[position] { child = nodes[Int(child)].nextSibling }
            if child < 0 { break }
            node = Int(child)
            if let isWord, isWord[position] { hasWords = true }
            position += 1
            let token = Int(nodes[node].token)
            if token >= 0, !hasWords || !tokens[token].isMarkup { found = (token, position) }
        }
        return found
    }

    private func touchesWord(_ text: [UInt8], _ match: Range<Int>, in range: Range<Int>) -> Bool {
        if match.lowerBound > range.lowerBound {
            if ScalarClass.isWord(scalar(text, before: match.lowerBound).value) { return true }
        }
        if match.upperBound < range.upperBound {
            if ScalarClass.isWord(scalar(text, at: match.upperBound).value) { return true }
        }
        return false
    }
}
