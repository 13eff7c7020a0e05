// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Reads a pattern in Python's syntax.
struct RegularExpressionParser {
    private typealias Node = RegularExpressionNode
    private typealias ScalarSet = RegularExpression.ScalarSet

    private let pattern: [Unicode.Scalar]
    private var position = 0
    /// Whether the pattern began with `(?i)`; its letters are then small.
    let ignoresCase: Bool

    private static let maximumLength = 4096
    private static let maximumDepth = 64
    private static let maximumCount = 1000

    init(_ pattern: String) throws {
        ignoresCase = pattern.hasPrefix("(?i)")
        let text = ignoresCase ? String(pattern.dropFirst(4)) : pattern
        self.pattern = Array(text.unicodeScalars)
        guard self.pattern.count <= Self.maximumLength else { throw problem("it is too long") }
    }

    mutating func parse() throws -> RegularExpressionNode {
        let node = try alternatives(depth: 0)
        guard position == pattern.count else { throw problem("')' without '('") }
        return node
    }

    private func problem(_ text: String) -> RegularExpression.Problem {
        RegularExpression.Problem(description: "\(text), at character \(position + 1)")
    }

    private var next: Unicode.Scalar? { position < pattern.count ? pattern[position] : nil }

    private mutating func take(_ text: StaticString) -> Bool {
        let scalars = "\(text)".unicodeScalars
        guard pattern[position...].starts(with: scalars) else { return false }
        position += scalars.count
        return true
    }

    // MARK: - Structure

    private mutating func alternatives(depth: Int) throws -> Node {
        guard depth <= Self.maximumDepth else { throw problem("groups nested deeper than \(Self.maximumDepth)") }
        var nodes: [Node] = []
        repeat { nodes.append(try sequence(depth: depth)) } while take("|")
        return nodes.count == 1 ? nodes[0] : .alternatives(nodes)
    }

    private mutating func sequence(depth: Int) throws -> Node {
        var nodes: [Node] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            var node = try atom(depth: depth)
            // One repetition of another is an error in Python.
            if let (minimum, maximum) = try repetition() {
                node = .repeated(node, minimum: minimum, maximum: maximum)
                if try repetition() != nil { throw problem("a repetition of a repetition") }
            }
            nodes.append(node)
        }
        return .sequence(nodes)
    }

    private mutating func repetition() throws -> (Int, Int?)? {
        let bounds: (Int, Int?)
        switch next {
        case "*": bounds = (0, nil)
        case "+": bounds = (1, nil)
        case "?": bounds = (0, 1)
        case "{":
            guard let found = try braces() else { return nil }
            bounds = found
            position -= 1  // the closing brace, which is taken below
        default: return nil
        }
        position += 1
        // Whether it is greedy decides nothing here.
        if next == "+" { throw problem("possessive repetitions are not supported") }
        _ = take("?")
        return bounds
    }

    /// `{n}`, `{n,}`, `{,m}` or `{n,m}`, taken; anything else stands for itself.
    private mutating func braces() throws -> (Int, Int?)? {
        guard let close = pattern[position...].firstIndex(of: "}") else { return nil }
        let parts = pattern[(position + 1)..<close].split(separator: ",", omittingEmptySubsequences: false)
        let isRange = parts.count == 2 && parts.contains { !$0.isEmpty } || parts.count == 1 && !parts[0].isEmpty
        guard isRange, parts.joined().allSatisfy({ "0"..."9" ~= $0 }) else { return nil }
        func number(_ part: ArraySlice<Unicode.Scalar>) throws -> Int? {
            guard !part.isEmpty else { return nil }
            var text = ""
            text.unicodeScalars.append(contentsOf: part)
            guard let value = Int(text), value <= Self.maximumCount else {
                throw problem("a repetition of more than \(Self.maximumCount)")
            }
            return value
        }
        let minimum = try number(parts[0]) ?? 0
        let maximum = parts.count == 1 ? minimum : try number(parts[1])
        guard maximum ?? .max >= minimum else { throw problem("a repetition whose bounds are the wrong way round") }
        position = close + 1
        return (minimum, maximum)
    }

    private mutating func atom(depth: Int) throws -> Node {
        guard let scalar = next else { throw problem("the pattern ends early") }
        switch scalar {
        case "(": return try group(depth: depth)
        case "[": return .scalar(try set())
        case "\\": return try escape()
        case "*", "+", "?": throw problem("nothing to repeat")
        default: break
        }
        position += 1
        switch scalar {
        case ".": return .scalar(.notNewline)
        case "^": return .assertion(.start)
        case "$": return .assertion(.end)
        default: return .scalar(literal(scalar))
        }
    }

    private mutating func group(depth: Int) throws -> Node {
        var look: (isAhead: Bool, isNegated: Bool)?
        if take("(?:") {
        } else if take("(?=") {
            look = (true, false)
        } else if take("(?!") {
            look = (true, true)
        } else if take("(?<=") {
            look = (false, false)
        } else if take("(?<!") {
            look = (false, true)
        } else if take("(?P<") {
            guard let close = pattern[position...].firstIndex(of: ">") else { throw problem("a name without end") }
            position = close + 1
        } else if take("(?") {
            throw problem("this kind of group is not supported")
        } else {
            position += 1
        }
        let node = try alternatives(depth: depth + 1)
        guard take(")") else { throw problem("'(' is never closed") }
        return look.map { .look(node, isAhead: $0.isAhead, isNegated: $0.isNegated) } ?? node
    }

    // MARK: - Characters

    /// The set of one scalar, both letters where case is ignored: texts are then made small.
    private func literal(_ scalar: Unicode.Scalar) -> ScalarSet {
        let small = scalar.properties.lowercaseMapping.unicodeScalars
        guard ignoresCase, small.count == 1, let first = small.first else {
            return ScalarSet(ranges: [scalar.value...scalar.value])
        }
        return ScalarSet(ranges: [first.value...first.value])
    }

    private mutating func escape() throws -> Node {
        position += 1
        guard let scalar = next else { throw problem("the pattern ends with a backslash") }
        switch scalar {
        case "A": return advancing(.assertion(.start))
        case "Z": return advancing(.assertion(.absoluteEnd))
        case "b": return advancing(.assertion(.wordBoundary))
        case "B": return advancing(.assertion(.notWordBoundary))
        case "1"..."9": throw problem("back references are not supported")
        default: return .scalar(try escapedSet())
        }
    }

    private mutating func advancing(_ node: Node) -> Node {
        position += 1
        return node
    }

    /// What an escape stands for, its backslash taken.
    private mutating func escapedSet() throws -> ScalarSet {
        guard let scalar = next else { throw problem("the pattern ends with a backslash") }
        position += 1
        switch scalar {
        case "d": return .digits
        case "D": return ScalarSet(ranges: ScalarSet.digits.complement)
        case "w": return .word
        case "W": return ScalarSet(ranges: ScalarSet.word.complement)
        case "s": return .space
        case "S": return ScalarSet(ranges: ScalarSet.space.complement)
        case "n": return literal("\n")
        case "t": return literal("\t")
        case "r": return literal("\r")
        case "x": return literal(try hexadecimal(2))
        case "u": return literal(try hexadecimal(4))
        case "a"..."z", "A"..."Z", "0"..."9": throw problem("the escape \\\(scalar) is not known")
        default: return literal(scalar)
        }
    }

    private mutating func hexadecimal(_ count: Int) throws -> Unicode.Scalar {
        var text = ""
        text.unicodeScalars.append(contentsOf: pattern[position...].prefix(count))
        guard text.count == count, let value = UInt32(text, radix: 16), let scalar = Unicode.Scalar(value) else {
            throw problem("\(count) hexadecimal digits were expected")
        }
        position += count
        return scalar
    }

    /// `[…]`.
    private mutating func set() throws -> ScalarSet {
        let start = position
        position += 1
        let isNegated = take("^")
        var ranges: [ClosedRange<UInt32>] = []
        var isFirst = true
        while true {
            guard let scalar = next else {
                position = start
                throw problem("'[' is never closed")
            }
            if scalar == "]", !isFirst { break }
            isFirst = false
            let first = try setMember()
            guard next == "-", position + 1 < pattern.count, pattern[position + 1] != "]" else {
                ranges += first.ranges
                continue
            }
            position += 1
            let last = try setMember()
            guard let low = first.single, let high = last.single, low <= high else {
                throw problem("a range of characters that is none")
            }
            ranges.append(low...high)
        }
        position += 1
        if ignoresCase {
            // Texts are made small: capital letters of the set mean small ones.
            for range in ranges {
                let capitals = range.clamped(to: 0x41...0x5A)
                if range.overlaps(0x41...0x5A) { ranges.append(capitals.lowerBound + 32...capitals.upperBound + 32) }
            }
        }
        return ScalarSet(ranges: ranges, isNegated: isNegated)
    }

    private mutating func setMember() throws -> ScalarSet {
        guard let scalar = next else { throw problem("'[' is never closed") }
        position += 1
        guard scalar == "\\" else { return ScalarSet(ranges: [scalar.value...scalar.value]) }
        return try escapedSet()
    }
}

extension RegularExpression.ScalarSet {
    /// The only scalar of the set, if it is one.
    fileprivate var single: UInt32? {
        ranges.count == 1 && ranges[0].count == 1 ? ranges[0].lowerBound : nil
    }
}
