// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A JSON object whose keys are known: null counts as absent, and any other key is refused.
package struct JSONObject {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private let container: KeyedDecodingContainer<Key>

    /// The object that `decoder` is at.
    ///
    /// - Parameters:
    ///   - decoder: where it is.
    ///   - noun: what it should be, for errors: `an item`.
    ///   - knownKeys: the keys it may have.
    /// - Throws: `DecodingError` when it is no object, or has a value for another key.
    package init(_ decoder: any Decoder, isCalled noun: String, knownKeys: [String]) throws {
        container = try decoder.container(keyedBy: Key.self)
        for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue })
        where !knownKeys.contains(key.stringValue) && has(key.stringValue) {
            throw problem(
                key.stringValue,
                "is no key of \(noun), which may have \(knownKeys.map { "\"\($0)\"" }.joined(separator: ", "))"
            )
        }
    }

    /// Whether there is a value for `key`, which null is not.
    package func has(_ key: String) -> Bool {
        let key = Key(stringValue: key)
        return container.contains(key) && (try? container.decodeNil(forKey: key)) == false
    }

    /// The value of `key`; nil when it is absent or null.
    package func decode<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value? {
        try container.decodeIfPresent(type, forKey: Key(stringValue: key))
    }

    /// A complaint about `key`, or about the object.
    package func problem(_ key: String?, _ reason: String) -> DecodingError {
        let path = container.codingPath + (key.map { [Key(stringValue: $0)] } ?? [])
        return .dataCorrupted(.init(codingPath: path, debugDescription: reason))
    }
}
