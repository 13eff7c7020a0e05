// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation

/// The one reader of JSON that comes from outside.
///
/// A byte order mark before the text is dropped (RFC 8259, section 8.1, lets a reader do so).
package enum JSONReader {
    /// The value of `type` that `text` holds.
    ///
    /// - Parameters:
    ///   - type: what is expected.
    ///   - text: one JSON value in UTF-8.
    ///   - file: where it is from, for errors.
    /// - Returns: the value.
    /// - Throws: `JSONError` with the key's path, or with line and column for text that is no JSON; other errors of
    ///   the type's own `init(from:)` as they are.
    package static func decode<Value: Decodable>(_ type: Value.Type, from text: Data, file: String) throws -> Value {
        let mark = Data([0xEF, 0xBB, 0xBF])
        do {
            return try JSONDecoder().decode(type, from: text.starts(with: mark) ? text.dropFirst(mark.count) : text)
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
            self.init(file: file, path: Self.path(context.codingPath + [key]), reason: "is missing")
        @unknown default: self.init(file: file, reason: "\(error)")
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        let text = keys.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
        return text.hasPrefix(".") ? String(text.dropFirst()) : text
    }
}
