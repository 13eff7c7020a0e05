// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Yams

/// Reads the YAML or JSON of recipes: what comes out is of bounded size and depth, with texts as keys.
///
/// A few lines of YAML can stand for any amount of data: each alias (`*a`) is the whole of what it names.
enum RecipeNode {
    /// Bytes of a recipe: thousands of times what any needs.
    private static let maximumByteCount = 4 << 20
    /// Values a recipe may have when every alias is written out.
    private static let maximumCount = 100_000
    /// Sections and lists inside each other.
    private static let maximumDepth = 64
    /// Aliases in a text: each may be inside of the next.
    private static let maximumAliasCount = 1000

    /// The value of `yaml`; nil for an empty text.
    ///
    /// - Throws: `TrainingError.config`; without a key.
    static func compose(_ yaml: String) throws -> Node? {
        let text = yaml.unicodeScalars.first == "\u{FEFF}" ? String(yaml.unicodeScalars.dropFirst()) : yaml
        guard text.utf8.count <= maximumByteCount else {
            throw problem("larger than \(maximumByteCount >> 20) MiB, which no recipe is")
        }
        let node = try composeJSON(text) ?? composeYAML(text)
        var count = 0
        if let node { try check(node, key: "", depth: 0, &count) }
        return node
    }

    private static func composeYAML(_ text: String) throws -> Node? {
        try checkAliases(text)
        do {
            return try Yams.compose(yaml: text)
        } catch {
            throw problem("not YAML: \(error)\(hint(text))")
        }
    }

    static func problem(_ reason: String, key: String = "") -> TrainingError { .config(key: key, reason: reason) }

    private static func hint(_ text: String) -> String {
        // A new line in front of a tab, whatever line ends the file has.
        let hasTab = text.utf8.split(whereSeparator: { $0 == 10 || $0 == 13 }).contains { $0.first { $0 != 32 } == 9 }
        return hasTab ? " (YAML is indented with spaces, and here a line begins with a tab)" : ""
    }

    /// Refuses aliases where the parser itself would go through all they stand for: as keys, and in keys.
    private static func checkAliases(_ text: String) throws {
        guard text.contains("&"), text.contains("*") else { return }
        // Where a value can begin; a star in a text may look like one, which matters only here.
        let aliases = text.matches(of: /(?:^|[\s\[{,])\*[^\s,\[\]{}:?]+/)
        guard !aliases.isEmpty, text.contains(/(?:^|[\s\[{,])&[^\s,\[\]{}]/) else { return }
        guard aliases.count <= maximumAliasCount else { throw problem("more than \(maximumAliasCount) aliases") }
        let isAliasKey = aliases.contains { text[$0.range.upperBound...].prefixMatch(of: /\s*:/) != nil }
        if isAliasKey || text.contains(/[\]}]\s*:/) || text.contains(/(?:^|[\s\[{,])\?/) {
            throw problem("keys are texts: with aliases in it, a recipe can have no alias, list or section as a key")
        }
    }

    private static func check(_ node: Node, key: String, depth: Int, _ count: inout Int) throws {
        count += 1
        guard count <= maximumCount else { throw problem("more than \(maximumCount) values, with aliases written out") }
        guard depth <= maximumDepth else { throw problem("more than \(maximumDepth) lists and sections in each other") }
        switch node {
        case .scalar, .alias: break
        case .sequence(let sequence):
            for (index, element) in sequence.enumerated() {
                // As a text it would be "null", or with YAML's dash alone the empty one, which every name contains.
                guard element.null == nil else {
                    throw problem("element \(index + 1) of the list is null, or nothing; leave it out", key: key)
                }
                try check(element, key: key, depth: depth + 1, &count)
            }
        case .mapping(let mapping):
            for (name, value) in mapping {
                guard let name = name.scalar?.string else {
                    throw problem("keys are texts: one is a list or a section")
                }
                try check(value, key: key.isEmpty ? name : "\(key).\(name)", depth: depth + 1, &count)
            }
        }
    }
}
