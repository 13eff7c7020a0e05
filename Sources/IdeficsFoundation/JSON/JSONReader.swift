// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif

/// The one reader of JSON that comes from outside.
///
/// It takes what other software writes: a byte order mark before the text (RFC 8259, section 8.1, lets a reader drop
/// it), Python's `NaN`, `Infinity` and `-Infinity`, half surrogate pairs. What of these is no number or no text is an
/// error only where somebody reads it. Of several members with one name the last counts, as in Python.
package enum JSONReader {
    /// The value of `type` that `text` holds.
    ///
    /// - Parameters:
    ///   - type: what is expected.
    ///   - text: one JSON value in UTF-8.
    ///   - file: where it is from, for errors.
    ///   - allowsNonFinite: whether NaN and infinite numbers, written as Python writes them or as the strings `nan`,
    ///     `inf` and `-inf`, are values; where not, a key that is read and holds one is an error.
    /// - Returns: the value.
    /// - Throws: `JSONError` with the key's path, or with line and column for text that is no JSON; other errors of
    ///   the type's own `init(from:)` as they are.
    package static func decode<Value: Decodable>(
        _ type: Value.Type,
        from text: Data,
        file: String,
        allowsNonFinite: Bool = false
    ) throws -> Value {
        try read(text, file: file, allowsNonFinite: allowsNonFinite) { try $0.singleValueContainer().decode(type) }
    }

    /// What `body` reads from the value that `text` holds.
    ///
    /// - Parameters:
    ///   - text: one JSON value in UTF-8.
    ///   - file: where it is from, for errors.
    ///   - allowsNonFinite: see `decode(_:from:file:allowsNonFinite:)`.
    ///   - body: is given a decoder of the value.
    /// - Returns: what `body` returns.
    /// - Throws: as `decode(_:from:file:allowsNonFinite:)`.
    package static func read<Value>(
        _ text: Data,
        file: String,
        allowsNonFinite: Bool = false,
        _ body: (any Decoder) throws -> Value
    ) throws -> Value {
        let document = try JSONDocument.parse(Array(text), file: file)
        do {
            return try body(JSONFieldDecoder(document.root, allowsNonFinite: allowsNonFinite))
        } catch let error as DecodingError {
            throw JSONError(error, file: file)
        }
    }
}

extension JSONError {
    /// What a decoder complained of.
    fileprivate init(_ error: DecodingError, file: String) {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            self.init(file: file, path: Self.path(context.codingPath), reason: context.debugDescription)
        case .keyNotFound(let key, let context):
            self.init(file: file, path: Self.path(context.codingPath + [key]), reason: Self.missing)
        @unknown default: self.init(file: file, reason: "\(error)")
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce("") { path, key in
            key.intValue.map { "\(path)[\($0)]" } ?? JSONField.path(path, key: key.stringValue)
        }
    }
}
