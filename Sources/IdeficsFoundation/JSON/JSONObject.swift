// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A JSON object whose keys are known: null counts as absent, and any other key with something in it is refused.
package struct JSONObject {
    private let container: KeyedDecodingContainer<JSONKey>
    /// Keys that are not known and have nothing in them but are not null, sorted.
    package private(set) var emptyKeys: [String] = []

    /// The object that `decoder` is at.
    ///
    /// - Parameters:
    ///   - decoder: where it is.
    ///   - noun: what it should be, for errors: `an item`.
    ///   - knownKeys: the keys it may have.
    /// - Throws: `DecodingError` when it is no object, or has a value for another key.
    package init(_ decoder: any Decoder, isCalled noun: String, knownKeys: [String]) throws {
        container = try decoder.container(keyedBy: JSONKey.self)
        for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue })
        where !knownKeys.contains(key.stringValue) {
            guard !(try container.decode(JSONLooseValue.self, forKey: key).isEmpty) else {
                if has(key.stringValue) { emptyKeys.append(key.stringValue) }
                continue
            }
            throw problem(
                key.stringValue,
                "is no key of \(noun), which may have \(knownKeys.map { "\"\($0)\"" }.joined(separator: ", "))"
            )
        }
    }

    /// Whether it has members, and all are null: how tables write an object that is not there.
    package var isNull: Bool { !container.allKeys.isEmpty && !container.allKeys.contains { has($0.stringValue) } }

    /// Whether there is a value for `key`, which null is not.
    package func has(_ key: String) -> Bool {
        let key = JSONKey(key)
        return container.contains(key) && (try? container.decodeNil(forKey: key)) == false
    }

    /// The value of `key`; nil when it is absent or null.
    package func decode<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value? {
        try container.decodeIfPresent(type, forKey: JSONKey(key))
    }

    /// A complaint about `key`, or about the object.
    package func problem(_ key: String?, _ reason: String) -> DecodingError {
        let path = container.codingPath + (key.map { [JSONKey($0)] } ?? [])
        return .dataCorrupted(.init(codingPath: path, debugDescription: reason))
    }
}
