// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A JSON key that is only known at run time.
struct JSONKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension KeyedDecodingContainer<JSONKey> {
    /// Sets `value` when `key` is there and not null.
    func read<Value: Decodable>(_ key: String, into value: inout Value) throws {
        if let found = try decodeIfPresent(Value.self, forKey: JSONKey(key)) { value = found }
    }

    /// The object at `key`; nil when absent or null.
    func object(_ key: String) throws -> KeyedDecodingContainer<JSONKey>? {
        guard contains(JSONKey(key)), try !decodeNil(forKey: JSONKey(key)) else { return nil }
        return try nestedContainer(keyedBy: JSONKey.self, forKey: JSONKey(key))
    }

    /// One integer or a list of them; nil when absent or null.
    func oneOrMany(_ key: String) throws -> [Int]? {
        guard contains(JSONKey(key)), try !decodeNil(forKey: JSONKey(key)) else { return nil }
        if let one = try? decode(Int.self, forKey: JSONKey(key)) { return [one] }
        return try decode([Int].self, forKey: JSONKey(key))
    }
}
