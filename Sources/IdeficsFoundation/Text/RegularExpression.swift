// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A regular expression in Python's syntax that is matched in bounded time, whatever the pattern.
///
/// Patterns come from files of adapters and from users. The search visits each pair of a place in the pattern and one in
/// the text at most once, so that no pattern takes exponential time, and it keeps its own stack, so that none overflows
/// the program's. Not supported, and refused: back references, conditions, flags other than a leading `(?i)`, possessive
/// and atomic groups. `\w`, `\d` and `\s` are ASCII's.
package struct RegularExpression: Sendable {
    /// Why a pattern is refused, for people.
    package struct Problem: Error, Equatable, Sendable, CustomStringConvertible {
        /// What is wrong.
        package let description: String
    }

    let program: [Instruction]
    let ignoresCase: Bool

    /// Reads a pattern.
    ///
    /// - Throws: `Problem` for a pattern that is malformed, too large or beyond what is supported.
    package init(_ pattern: String) throws {
        var parser = try RegularExpressionParser(pattern)
        let node = try parser.parse()
        var compiler = RegularExpressionCompiler()
        try compiler.append(node)
        try compiler.append(.match)
        program = compiler.program
        ignoresCase = parser.ignoresCase
    }

    /// Those of `texts` that match as a whole, as with Python's `re.fullmatch`.
    ///
    /// - Throws: `Problem` when that takes too many steps.
    package func fullMatches(in texts: [String]) throws -> [String] {
        var matcher = RegularExpressionMatcher(self)
        return try texts.filter { try matcher.matchesFully($0) }
    }

    /// Whether all of `text` matches.
    ///
    /// - Throws: `Problem` when that takes too many steps.
    package func matchesFully(_ text: String) throws -> Bool {
        var matcher = RegularExpressionMatcher(self)
        return try matcher.matchesFully(text)
    }

    // MARK: - Parts

    /// A set of Unicode scalars.
    struct ScalarSet: Equatable, Sendable {
        var ranges: [ClosedRange<UInt32>]
        var isNegated = false

        func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0 ~= scalar } != isNegated }

        static let digits = ScalarSet(ranges: [0x30...0x39])
        static let word = ScalarSet(ranges: [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
        static let space = ScalarSet(ranges: [0x09...0x0D, 0x20...0x20])
        static let notNewline = ScalarSet(ranges: [0x0A...0x0A], isNegated: true)

        /// All scalars that are not in this set, which must not be negated and be in order.
        var complement: [ClosedRange<UInt32>] {
            var result: [ClosedRange<UInt32>] = []
            var next: UInt32 = 0
            for range in ranges {
                if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
                next = range.upperBound + 1
            }
            return result + [next...0x10FFFF]
        }
    }

    enum Assertion: Equatable, Sendable {
        case start
        case end
        case absoluteEnd
        case wordBoundary
        case notWordBoundary
    }

    /// A step of the matching program.
    enum Instruction: Equatable, Sendable {
        case scalar(ScalarSet)
        case assertion(Assertion)
        case split(Int, Int)
        case jump(Int)
        /// What is matched from `body`, ahead or behind, must be there or must not; then on at `next`.
        case look(body: Int, next: Int, isAhead: Bool, isNegated: Bool)
        case match
    }
}

/// What a pattern is made of.
indirect enum RegularExpressionNode {
    case scalar(RegularExpression.ScalarSet)
    case assertion(RegularExpression.Assertion)
    case sequence([RegularExpressionNode])
    case alternatives([RegularExpressionNode])
    case repeated(RegularExpressionNode, minimum: Int, maximum: Int?)
    case look(RegularExpressionNode, isAhead: Bool, isNegated: Bool)
}

/// Turns nodes into a program.
struct RegularExpressionCompiler {
    private(set) var program: [RegularExpression.Instruction] = []
    private static let maximumCount = 4000

    mutating func append(_ instruction: RegularExpression.Instruction) throws {
        guard program.count < Self.maximumCount else {
            throw RegularExpression.Problem(description: "it is too large")
        }
        program.append(instruction)
    }

    mutating func append(_ node: RegularExpressionNode) throws {
        switch node {
        case .scalar(let set): try append(RegularExpression.Instruction.scalar(set))
        case .assertion(let assertion): try append(RegularExpression.Instruction.assertion(assertion))
        case .sequence(let nodes): for node in nodes { try append(node) }
        case .alternatives(let nodes): try appendAlternatives(nodes)
        case .repeated(let node, let minimum, let maximum): try appendRepeated(node, minimum, maximum)
        case .look(let node, let isAhead, let isNegated):
            let start = program.count
            try append(.match)  // to be replaced
            try append(node)
            try append(.match)
            program[start] = .look(body: start + 1, next: program.count, isAhead: isAhead, isNegated: isNegated)
        }
    }

    private mutating func appendAlternatives(_ nodes: [RegularExpressionNode]) throws {
        var jumps: [Int] = []
        for (index, node) in nodes.enumerated() {
            let start = program.count
            let isLast = index == nodes.count - 1
            if !isLast { try append(.match) }  // to be replaced
            try append(node)
            guard !isLast else { break }
            jumps.append(program.count)
            try append(.match)  // to be replaced
            program[start] = .split(start + 1, program.count)
        }
        for jump in jumps { program[jump] = .jump(program.count) }
    }

    private mutating func appendRepeated(_ node: RegularExpressionNode, _ minimum: Int, _ maximum: Int?) throws {
        for _ in 0..<minimum { try append(node) }
        guard let maximum else {
            let start = program.count
            try append(.match)  // to be replaced
            try append(node)
            try append(.jump(start))
            program[start] = .split(start + 1, program.count)
            return
        }
        var splits: [Int] = []
        for _ in minimum..<maximum {
            splits.append(program.count)
            try append(.match)  // to be replaced
            try append(node)
        }
        for split in splits { program[split] = .split(split + 1, program.count) }
    }
}

/// Runs a program on texts.
struct RegularExpressionMatcher {
    private let program: [RegularExpression.Instruction]
    private let ignoresCase: Bool
    private var text: [UInt32] = []
    /// What is known of looks, by instruction and position.
    private var looks: [Int: Bool] = [:]
    private var steps = 0
    private static let maximumSteps = 20_000_000

    init(_ expression: RegularExpression) {
        program = expression.program
        ignoresCase = expression.ignoresCase
    }

    mutating func matchesFully(_ string: String) throws -> Bool {
        text = (ignoresCase ? string.lowercased() : string).unicodeScalars.map(\.value)
        looks = [:]
        return try run(from: 0, at: 0, end: text.count)
    }

    /// Whether the program matches from an instruction and a position, up to `end` if one is given.
    private mutating func run(from start: Int, at position: Int, end: Int?) throws -> Bool {
        let width = text.count + 1
        var visited = Array(repeating: UInt64(0), count: (program.count * width + 63) / 64)
        steps += visited.count
        var stack = [(start, position)]
        while let (index, position) = stack.popLast() {
            let key = index * width + position
            guard visited[key / 64] & (1 << UInt64(key % 64)) == 0 else { continue }
            visited[key / 64] |= 1 << UInt64(key % 64)
            steps += 1
            guard steps <= Self.maximumSteps else {
                throw RegularExpression.Problem(description: "it takes too many steps")
            }
            switch program[index] {
            case .scalar(let set):
                if position < text.count, set.contains(text[position]) { stack.append((index + 1, position + 1)) }
            case .assertion(let assertion):
                if holds(assertion, at: position) { stack.append((index + 1, position)) }
            case .split(let first, let second): stack += [(second, position), (first, position)]
            case .jump(let next): stack.append((next, position))
            case .look(let body, let next, let isAhead, let isNegated):
                let isThere = try looks[key] ?? look(body, at: position, isAhead: isAhead)
                looks[key] = isThere
                if isThere != isNegated { stack.append((next, position)) }
            case .match:
                if end == nil || end == position { return true }
            }
        }
        return false
    }

    /// Whether what begins at `body` is there, ahead of `position` or behind it; looks nest no deeper than groups.
    private mutating func look(_ body: Int, at position: Int, isAhead: Bool) throws -> Bool {
        if isAhead { return try run(from: body, at: position, end: nil) }
        for start in (0...position).reversed() where try run(from: body, at: start, end: position) { return true }
        return false
    }

    private func holds(_ assertion: RegularExpression.Assertion, at position: Int) -> Bool {
        func isWord(_ index: Int) -> Bool {
            text.indices ~= index && RegularExpression.ScalarSet.word.contains(text[index])
        }
        return switch assertion {
        case .start: position == 0
        case .end: position == text.count || position == text.count - 1 && text[position] == 0x0A
        case .absoluteEnd: position == text.count
        case .wordBoundary: isWord(position - 1) != isWord(position)
        case .notWordBoundary: isWord(position - 1) == isWord(position)
        }
    }
}
