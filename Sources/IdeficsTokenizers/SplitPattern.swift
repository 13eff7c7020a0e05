// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The regular expressions that byte-level tokenizers split text with, written out by hand.
///
/// Each cuts the whole text into words; `end(of:from:to:)` says where the word that starts at a position ends.
enum SplitPattern: Sendable, Equatable {
    /// GPT-2, SmolLM2: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// Llama 3 (at most 3 digits) and Qwen 2 (1 digit): contractions in any case, letters with any one sign before
    /// them, digits in groups, punctuation with the line ends after it, line ends with the space before them.
    case llama3(maximumDigits: Int)

    /// The pattern with this source text, nil if it is not known.
    init?(regex: String) {
        switch regex {
        case #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#:
            self = .gpt2
        case Self.llama3Source(digits: #"\p{N}{1,3}"#):
            self = .llama3(maximumDigits: 3)
        case Self.llama3Source(digits: #"\p{N}"#):
            self = .llama3(maximumDigits: 1)
        default:
            return nil
        }
    }

    private static func llama3Source(digits: String) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    /// Where the word of `text` that starts at `start` ends; `start < end`.
    func end(of text: [UInt8], from start: Int, to end: Int) -> Int {
        switch self {
        case .gpt2: Self.gpt2End(text, start, end)
        case .llama3(let maximumDigits): Self.llama3End(text, start, end, maximumDigits)
        }
    }

    // MARK: - Patterns

    private static func gpt2End(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
        if let length = contraction(text, start, end, anyCase: false) { return start + length }
        let (first, length) = classAndLength(text, start)
        if text[start] == UInt8(ascii: " "), start + 1 < end {
            let (second, secondLength) = classAndLength(text, start + 1)
            if second != .space { return run(of: second, text, start + 1 + secondLength, end) }
        }
        if first != .space { return run(of: first, text, start + length, end) }
        return spaceEnd(text, start, end)
    }

    private static func llama3End(_ text: [UInt8], _ start: Int, _ end: Int, _ maximumDigits: Int) -> Int {
        if let length = contraction(text, start, end, anyCase: true) { return start + length }
        let (first, length) = classAndLength(text, start)
        let after = start + length
        if first == .letter { return run(of: .letter, text, after, end) }
        if first == .number {
            var position = after
            var digits = 1
            while digits < maximumDigits, position < end {
                let (next, nextLength) = classAndLength(text, position)
                guard next == .number else { break }
                position += nextLength
                digits += 1
            }
            return position
        }
        if after < end, !isLineEnd(text[start]) {
            let (second, secondLength) = classAndLength(text, after)
            if second == .letter { return run(of: .letter, text, after + secondLength, end) }
            if text[start] == UInt8(ascii: " "), second == .other {
                return lineEnds(text, run(of: .other, text, after + secondLength, end), end)
            }
        }
        if first == .other { return lineEnds(text, run(of: .other, text, after, end), end) }
        // White space: up to its last line end if it has one.
        var position = start
        var lastLineEnd: Int?
        while position < end {
            let (next, nextLength) = classAndLength(text, position)
            guard next == .space else { break }
            if isLineEnd(text[position]) { lastLineEnd = position + 1 }
            position += nextLength
        }
        return lastLineEnd ?? spaceEnd(text, start, end)
    }

    // MARK: - Parts

    @inline(__always)
    private static func classAndLength(_ text: [UInt8], _ position: Int) -> (ScalarClass, Int) {
        let (value, length) = scalar(text, at: position)
        return (ScalarClass(value), length)
    }

    private static func run(of kind: ScalarClass, _ text: [UInt8], _ start: Int, _ end: Int) -> Int {
        var position = start
        while position < end {
            let (next, length) = classAndLength(text, position)
            guard next == kind else { break }
            position += length
        }
        return position
    }

    /// `\s+(?!\S)|\s+`: all of the white space, but its last character goes with the word that follows.
    private static func spaceEnd(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
        var position = start
        var last = start
        while position < end {
            let (next, length) = classAndLength(text, position)
            guard next == .space else { return last > start ? last : position }
            last = position
            position += length
        }
        return end
    }

    private static func isLineEnd(_ byte: UInt8) -> Bool {
        byte == 0x0A || byte == 0x0D
    }

    private static func lineEnds(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
        var position = start
        while position < end, isLineEnd(text[position]) { position += 1 }
        return position
    }

    /// The length of `'s 't 're 've 'm 'll 'd` at `start`.
    private static func contraction(_ text: [UInt8], _ start: Int, _ end: Int, anyCase: Bool) -> Int? {
        guard text[start] == UInt8(ascii: "'"), start + 1 < end else { return nil }
        let fold: UInt8 = anyCase ? 0x20 : 0
        let first = text[start + 1] | fold
        switch first {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "l"):
            let second = first == UInt8(ascii: "l") ? UInt8(ascii: "l") : UInt8(ascii: "e")
            return start + 2 < end && text[start + 2] | fold == second ? 3 : nil
        default:
            // The long s (U+017F) is an s in another case.
            return anyCase && start + 2 < end && text[start + 1] == 0xC5 && text[start + 2] == 0xBF ? 3 : nil
        }
    }
}
