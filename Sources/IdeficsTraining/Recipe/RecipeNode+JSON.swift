// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import Yams

extension RecipeNode {
    /// The value of a text that is JSON; nil for one that is not, and may be YAML.
    ///
    /// JSON is read as what it is, and not as the YAML that it almost is: YAML takes fewer characters as they stand (no
    /// DEL), takes others for line ends (U+0085, U+2028), and has no surrogate pairs (`\ud83d\ude00`, as Python escapes).
    /// What checkpoints keep of their recipe is JSON.
    ///
    /// - Throws: `TrainingError.config` naming a key that is there twice, or a text that is none.
    static func composeJSON(_ text: String) throws -> Node? {
        // A number or a word alone is the same in both.
        let starts = [UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\"")]
        guard let first = text.utf8.first(where: { ![9, 10, 13, 32].contains($0) }), starts.contains(first),
            let document = try? JSONDocument.parse(Array(text.utf8), file: "")
        else { return nil }
        do {
            return try node(document.root)
        } catch let error as JSONError {
            throw problem(error.reason, key: error.path)
        }
    }

    private static func node(_ field: JSONField) throws -> Node {
        switch field.kind {
        case .object:
            var names: Set<String> = []
            return Node(
                try field.members().map { name, value in
                    guard names.insert(name).inserted else { throw value.error("is there twice") }
                    // Without a tag of its own, as the decoder looks for it.
                    return (Node(name, .implicit, .doubleQuoted), try node(value))
                }
            )
        case .array: return Node(try field.elements().map(node))
        case .string, .escapedString, .brokenString: return Node(try field.string(), Tag(.str), .doubleQuoted)
        case .number: return Node(number(field.sourceText), .implicit, .plain)
        case .true_, .false_, .null: return Node(field.sourceText, .implicit, .plain)
        }
    }

    /// A number as YAML writes it; a whole one without a point, as which `config.json` may have it, too.
    private static func number(_ text: String) -> String {
        switch text {
        case "NaN": return ".nan"
        case "Infinity": return ".inf"
        case "-Infinity": return "-.inf"
        default:
            guard text.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }),
                let value = Double(text), value.magnitude < 0x1p53, let whole = Int(exactly: value)
            else { return text }
            return "\(whole)"
        }
    }
}
