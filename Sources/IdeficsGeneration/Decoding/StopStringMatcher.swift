// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Finds stop strings that the last token of a sequence completes.
///
/// As in transformers, a match must end within the text of the last token but may begin anywhere before it, in the
/// prompt too, and the last token may go on after it.
struct StopStringMatcher {
    private let stopStrings: [(text: String, bytes: [UInt8])]
    private let decode: ([Int]) -> String
    /// Every token has at least a byte of text, so a match lies in this many; some more keep what a decoder does to the
    /// first token of a text (dropping its space) out of the match.
    private let window: Int

    init(stopStrings: [String], decode: @escaping ([Int]) -> String) {
        self.stopStrings = stopStrings.map { ($0, Array($0.utf8)) }
        self.decode = decode
        window = (self.stopStrings.map(\.bytes.count).max() ?? 0) + 8
    }

    /// The first stop string (in the order given) that `tokenId` completes after `tokenIds`.
    func match(_ tokenIds: [Int], appending tokenId: Int) -> String? {
        let recent = Array(tokenIds.suffix(window))
        let before = Array(decode(recent).utf8)
        let after = Array(decode(recent + [tokenId]).utf8)
        // Half a character decodes to a replacement that the next token takes back, so "new" starts where they differ.
        let unchanged = zip(before, after).prefix { $0 == $1 }.count
        return stopStrings.first { Self.contains($0.bytes, in: after, endingAfter: unchanged) }?.text
    }

    private static func contains(_ needle: [UInt8], in text: [UInt8], endingAfter unchanged: Int) -> Bool {
        guard text.count >= needle.count else { return false }
        let first = max(0, unchanged - needle.count + 1)
        guard first <= text.count - needle.count else { return false }
        return (first...text.count - needle.count).contains { start in
            text[start..<start + needle.count].elementsEqual(needle)
        }
    }
}
