// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

// Edits leave everything else byte for byte as it was: vocabularies hold strings that a dictionary of `String` would
// take for equal (é as one scalar or two).
extension JSONField {
    /// The value as JSON text; strings with their quotes.
    package var json: String { isString ? "\"\(sourceText)\"" : sourceText }

    /// This object's text with `members` set to JSON texts; those it has keep their place, new ones follow.
    package func setting(_ members: [(key: String, json: String)], removing: Set<String> = []) throws -> String {
        var rest = members
        var parts: [String] = []
        for (key, value) in try memberIndices() {
            let name = document.string(at: key)
            let quotedKey = JSONField(document: document, index: key, path: "").json
            if removing.contains(name) { continue }
            if let index = rest.firstIndex(where: { $0.key == name }) {
                parts.append("\(quotedKey): \(rest.remove(at: index).json)")
            } else {
                parts.append("\(quotedKey): \(JSONField(document: document, index: value, path: "").json)")
            }
        }
        parts += try rest.map { "\(try jsonText($0.key)): \($0.json)" }
        return "{\n  " + parts.joined(separator: ",\n  ") + "\n}"
    }

    /// This array's text with the JSON texts `elements` after its own.
    package func appending(_ elements: [String]) throws -> String {
        "[" + (try self.elements().map(\.json) + elements).joined(separator: ",\n    ") + "]"
    }
}

/// `text` as a JSON string.
package func jsonText(_ text: String) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.withoutEscapingSlashes]
    return String(decoding: try encoder.encode(text), as: UTF8.self)
}

/// The JSON object in `bytes` with some members set and others gone; the rest stays byte for byte as it was.
///
/// - Parameters:
///   - bytes: The text.
///   - file: Its name, for errors.
///   - removing: Members that go.
///   - setting: Is given the names of the members there are; returns those to be set, to JSON texts.
/// - Returns: The new text.
/// - Throws: `JSONError` when the text is no JSON object.
package func editedJSON(
    _ bytes: [UInt8],
    file: String,
    removing: Set<String>,
    setting: (_ keys: Set<String>) -> [(key: String, json: String)]
) throws -> String {
    let document = try JSONDocument.parse(bytes, file: file)
    let keys = try document.root.memberIndices().map { document.string(at: $0.key) }
    return try document.root.setting(setting(Set(keys)), removing: removing)
}
