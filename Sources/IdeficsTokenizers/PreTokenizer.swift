// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// Cuts normalized text into the words that are encoded one by one.
struct PreTokenizer: Sendable, Equatable {
    /// When "▁" is put before a word.
    enum PrependScheme: String, Sendable {
        case always
        /// Only at the very start of the text.
        case first
        case never
    }

    /// One step.
    enum Step: Sendable, Equatable {
        case split(SplitPattern)
        case digits(individual: Bool)
        /// Puts a space before words that have none.
        case prefixSpace
        case metaspace(replacement: [UInt8], scheme: PrependScheme, split: Bool)
    }

    var steps: [Step] = []
    /// Words are encoded as bytes in GPT-2's alphabet.
    var isByteLevel = false

    /// Throws if there are more steps than any tokenizer has.
    func checkSize(_ root: JSONField) throws {
        guard steps.count <= 16 else {
            throw TokenizerError.invalidField(file: root.file, field: "pre_tokenizer", reason: "more than 16 steps")
        }
    }

    /// Changes `text` where the steps ask for it and returns where each word ends.
    ///
    /// - Parameters:
    ///   - text: A segment of well-formed UTF-8.
    ///   - isFirst: Whether the segment stands at the very start of the whole text.
    /// - Returns: Ascending offsets, the last one `text.count`; none for an empty text.
    func apply(to text: inout [UInt8], isFirst: Bool) -> [Int] {
        guard !text.isEmpty else { return [] }
        var ends = [text.count]
        for step in steps {
            switch step {
            case .split(let pattern):
                ends = Self.refine(ends) { start, end in pattern.end(of: text, from: start, to: end) }
            case .digits(let individual):
                ends = Self.refine(ends) { start, end in Self.digitEnd(text, start, end, individual) }
            case .prefixSpace:
                Self.rebuild(&text, &ends) { text, word, output in
                    if text[word.lowerBound] != UInt8(ascii: " ") { output.append(UInt8(ascii: " ")) }
                    output.append(contentsOf: text[word])
                }
            case .metaspace(let replacement, let scheme, let split):
                Self.rebuild(&text, &ends) { text, word, output in
                    let replaced = Array(text[word]).replacing([UInt8(ascii: " ")], with: replacement)
                    let isWanted = scheme == .always || scheme == .first && isFirst && word.lowerBound == 0
                    if isWanted, !replaced.starts(with: replacement) { output.append(contentsOf: replacement) }
                    output.append(contentsOf: replaced)
                }
                if split {
                    ends = Self.refine(ends) { start, end in Self.markEnd(text, start, end, replacement) }
                }
            }
        }
        return ends
    }

    private static func refine(_ ends: [Int], _ wordEnd: (Int, Int) -> Int) -> [Int] {
        var result: [Int] = []
        result.reserveCapacity(ends.count + (ends.last ?? 0) / 4)
        var start = 0
        for end in ends {
            while start < end {
                start = wordEnd(start, end)
                result.append(start)
            }
        }
        return result
    }

    private static func rebuild(
        _ text: inout [UInt8],
        _ ends: inout [Int],
        _ write: ([UInt8], Range<Int>, inout [UInt8]) -> Void
    ) {
        var output: [UInt8] = []
        output.reserveCapacity(text.count + ends.count)
        var start = 0
        for index in ends.indices {
            write(text, start..<ends[index], &output)
            start = ends[index]
            ends[index] = output.count
        }
        text = output
    }

    /// A digit alone, or a run of digits; else everything up to the next digit.
    private static func digitEnd(_ text: [UInt8], _ start: Int, _ end: Int, _ individual: Bool) -> Int {
        let (first, length) = scalar(text, at: start)
        let isNumber = ScalarClass(first) == .number
        var position = start + length
        if isNumber, individual { return position }
        while position < end {
            let (next, nextLength) = scalar(text, at: position)
            if (ScalarClass(next) == .number) != isNumber { break }
            position += nextLength
        }
        return position
    }

    /// Up to the next mark: every mark starts a word.
    private static func markEnd(_ text: [UInt8], _ start: Int, _ end: Int, _ mark: [UInt8]) -> Int {
        var position = start + utf8Length(lead: text[start])
        while position < end, !(text[position] == mark[0] && text[position..<end].starts(with: mark)) {
            position += utf8Length(lead: text[position])
        }
        return position
    }
}

// MARK: - tokenizer.json

extension PreTokenizer {
    /// Reads the `pre_tokenizer` of `tokenizer.json`.
    init(_ field: JSONField?) throws {
        guard let field else { return }
        try append(field)
    }

    private mutating func append(_ field: JSONField) throws {
        let type = try field.required("type")
        let name = try type.string()
        // What follows would see GPT-2's alphabet in place of the text.
        if isByteLevel { throw type.unsupported("pre-tokenizer \(name) after ByteLevel") }
        switch name {
        case "Sequence":
            for element in try field.required("pretokenizers").elements() { try append(element) }
        case "ByteLevel":
            if try field["add_prefix_space"]?.bool() ?? true { steps.append(.prefixSpace) }
            if try field["use_regex"]?.bool() ?? true { steps.append(.split(.gpt2)) }
            isByteLevel = true
        case "Digits":
            steps.append(.digits(individual: try field["individual_digits"]?.bool() ?? false))
        case "Metaspace":
            try appendMetaspace(field)
        case "Split":
            try appendSplit(field)
        default:
            throw type.unsupported("pre-tokenizer \(name)")
        }
    }

    private mutating func appendMetaspace(_ field: JSONField) throws {
        let metaspace = try MetaspaceField(field)
        steps.append(
            .metaspace(
                replacement: metaspace.replacement,
                scheme: metaspace.scheme,
                split: try field["split"]?.bool() ?? true
            )
        )
    }

    private mutating func appendSplit(_ field: JSONField) throws {
        let pattern = try field.required("pattern")
        guard let regex = pattern["Regex"] else { throw pattern.unsupported("a pattern that is no Regex") }
        let source = try regex.string()
        let behavior = try field.required("behavior")
        let invert = try field["invert"]?.bool() ?? false
        // The patterns match all of any text, so keeping the matches and removing the gaps is the same.
        switch (try behavior.string(), invert) {
        case ("Isolated", _), ("Removed", true): break
        case (let name, _): throw behavior.unsupported("behavior \(name)")
        }
        if source == #"\p{N}"# {
            guard try behavior.string() == "Isolated" else { throw behavior.unsupported("removing all but digits") }
            steps.append(.digits(individual: true))
        } else if let known = SplitPattern(regex: source) {
            steps.append(.split(known))
        } else {
            throw regex.unsupported("the pattern \(source.excerpt)")
        }
    }
}

/// What the pre-tokenizer and the decoder named Metaspace have in common.
struct MetaspaceField {
    var replacement: [UInt8]
    var scheme: PreTokenizer.PrependScheme

    init(_ field: JSONField) throws {
        replacement = try field["replacement"]?.utf8() ?? BytePairModel.metaspace
        guard let lead = replacement.first, utf8Length(lead: lead) == replacement.count else {
            throw field.invalid("replacement must be one character")
        }
        scheme = .always
        if let name = field["prepend_scheme"] {
            guard let known = PreTokenizer.PrependScheme(rawValue: try name.string()) else {
                throw name.unsupported("prepend scheme \(try name.string())")
            }
            scheme = known
        } else if try field["add_prefix_space"]?.bool() == false {
            scheme = .never
        }
    }
}
