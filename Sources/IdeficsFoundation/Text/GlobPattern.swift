// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A pattern for names of files or parameters as in Python's `fnmatch`: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`.
///
/// `*` also matches `/` and `.`. Matching takes at most pattern length × name length steps.
package struct GlobPattern: Hashable, Sendable, CustomStringConvertible {
    private enum Element: Hashable, Sendable {
        case literal(Unicode.Scalar)
        case any
        case star
        case set([ClosedRange<Unicode.Scalar>], isNegated: Bool)

        func matches(_ scalar: Unicode.Scalar) -> Bool {
            switch self {
            case .literal(let literal): literal == scalar
            case .any: true
            case .star: false
            case .set(let ranges, let isNegated): ranges.contains { $0.contains(scalar) } != isNegated
            }
        }
    }

    /// The pattern as given.
    package let description: String
    private let elements: [Element]

    /// Reads a pattern; every text is one.
    ///
    /// - Parameter text: The pattern.
    package init(_ text: String) {
        description = text
        var rest = Array(text.unicodeScalars)[...]
        var elements: [Element] = []
        while let scalar = rest.popFirst() {
            switch scalar {
            case "*": if elements.last != .star { elements.append(.star) }
            case "?": elements.append(.any)
            case "[": elements.append(Self.takeSet(&rest) ?? .literal("["))
            default: elements.append(.literal(scalar))
            }
        }
        self.elements = elements
    }

    /// Takes the rest of `[…]`; nil, taking nothing, if it is never closed.
    private static func takeSet(_ rest: inout ArraySlice<Unicode.Scalar>) -> Element? {
        var body = rest
        let isNegated = body.first == "!"
        if isNegated { body.removeFirst() }
        // A `]` in the first place stands for itself.
        guard let close = body.dropFirst().firstIndex(of: "]") else { return nil }
        var members = body[..<close]
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        while let first = members.popFirst() {
            if members.first == "-", let last = members.dropFirst().first {
                members = members.dropFirst(2)
                if first <= last { ranges.append(first...last) }
            } else {
                ranges.append(first...first)
            }
        }
        rest = body[(close + 1)...]
        return .set(ranges, isNegated: isNegated)
    }

    /// True if the whole name matches.
    ///
    /// - Parameter name: A path, or the name of a parameter.
    /// - Returns: Whether it matches.
    package func matches(_ name: String) -> Bool {
        let scalars = Array(name.unicodeScalars)
        var (at, position) = (0, 0)
        var retry: (element: Int, position: Int)?
        while position < scalars.count {
            if at < elements.count, elements[at] == .star {
                retry = (at, position)
                at += 1
            } else if at < elements.count, elements[at].matches(scalars[position]) {
                at += 1
                position += 1
            } else if let (star, start) = retry {
                // The last star takes one more; earlier stars never need to: the shortest match leaves most for later.
                retry = (star, start + 1)
                (at, position) = (star + 1, start + 1)
            } else {
                return false
            }
        }
        return elements[at...].allSatisfy { $0 == .star }
    }
}
