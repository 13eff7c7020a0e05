// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Why an example cannot be learned from.
public enum DataProblem: String, Sendable, Codable, CaseIterable {
    /// It is not JSON, or not an example in a layout that is known, or not all of it would be used.
    case noExample
    /// Nothing in it counts for the loss.
    case nothingToLearn
    /// What counts begins after the tokens that an example may have.
    case answerCutAway
    /// An image of it is not there, or is none.
    case image

    /// For people.
    public var text: String {
        switch self {
        case .noExample: "not an example"
        case .nothingToLearn: "nothing to learn"
        case .answerCutAway: "answer cut away (data.maxTokens)"
        case .image: "image missing or unreadable"
        }
    }
}

/// What a data file holds, found by looking at every example once.
public struct DataReport: Sendable, Equatable, Encodable {
    /// The examples with one problem.
    public struct Found: Sendable, Equatable, Encodable {
        /// What is wrong.
        public let problem: DataProblem
        /// How many examples have it.
        public var count: Int
        /// The first few, as errors that name the line.
        public var examples: [String]
        /// Their lines.
        public var lines: [Int]
    }

    /// The path as it was given.
    public let file: String
    /// Examples that can be learned from.
    public internal(set) var examples = 0
    /// Their images that are used.
    public internal(set) var images = 0
    /// Images by URL, which are not looked at.
    public internal(set) var unseenImages = 0
    /// Images whose token lies after the cut, so that they are not used.
    public internal(set) var imagesCutAway = 0
    /// Tokens that are used.
    public internal(set) var tokens = 0
    /// Tokens that count for the loss.
    public internal(set) var targets = 0
    /// Examples that are cut at `maxTokens`.
    public internal(set) var cut = 0
    /// Tokens of an example at most.
    public let maxTokens: Int
    /// Half of the examples have at most this many tokens, before they are cut.
    public internal(set) var medianLength = 0
    /// 95 % of the examples have at most this many tokens, before they are cut.
    public internal(set) var length95 = 0
    /// The longest example has this many tokens, before it is cut.
    public internal(set) var longest = 0
    /// Examples that cannot be learned from, by what is wrong with them; none for what no example has.
    public internal(set) var problems: [Found] = []

    init(file: String, maxTokens: Int) {
        self.file = file
        self.maxTokens = maxTokens
    }

    /// Examples that cannot be learned from.
    public var problemCount: Int { problems.reduce(0) { $0 + $1.count } }

    /// Lines for people.
    public var lines: [String] {
        func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
        var lines = [
            "\(file): \(count(examples, "example")), \(count(images, "image")), \(count(tokens, "token")), "
                + "\(targets) of them learned; lengths: median \(medianLength), 95 % \(length95), longest \(longest)"
        ]
        if cut > 0 {
            let images = imagesCutAway == 0 ? "" : ", and with them \(count(imagesCutAway, "image"))"
            lines.append("\(file): \(count(cut, "example")) cut at \(maxTokens) tokens (data.maxTokens)\(images)")
        }
        if unseenImages > 0 { lines.append("\(file): \(count(unseenImages, "image")) by URL, not looked at") }
        for found in problems {
            let more = found.count > found.lines.count ? ", …" : ""
            let places = found.lines.map(String.init).joined(separator: ", ")
            let noun = found.count == 1 ? "line" : "lines"
            lines.append("\(file): \(found.count) bad, \(found.problem.text): \(noun) \(places)\(more)")
        }
        return lines
    }

    /// The lengths' figures; `lengths` are those of the examples that can be learned from.
    mutating func setLengths(_ lengths: [Int32]) {
        let sorted = lengths.sorted()
        guard let last = sorted.last else { return }
        func atMost(_ percent: Int) -> Int { Int(sorted[max(0, (sorted.count * percent + 99) / 100 - 1)]) }
        medianLength = atMost(50)
        length95 = atMost(95)
        longest = Int(last)
    }
}
