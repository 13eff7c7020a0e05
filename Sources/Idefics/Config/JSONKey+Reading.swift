// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

extension KeyedDecodingContainer<JSONKey> {
    /// Sets `value` when `key` is there and not null.
    func read<Value: Decodable>(_ key: String, into value: inout Value) throws {
        if let found = try decodeIfPresent(Value.self, forKey: JSONKey(key)) { value = found }
    }

    /// Sets `theta` to the base of the rotary embedding: `rope_theta`, which transformers 5 moved into
    /// `rope_parameters`; a scaling of positions other than none is refused, for it would silently change every output.
    func readRope(into theta: inout Float) throws {
        try read("rope_theta", into: &theta)
        for key in ["rope_parameters", "rope_scaling"] {
            guard let rope = try object(key) else { continue }
            try rope.read("rope_theta", into: &theta)
            var type = "default"
            try rope.read("type", into: &type)
            try rope.read("rope_type", into: &type)
            guard type == "default" else {
                throw ConfigProblem("\(key).rope_type", "\"\(type)\": scaled rotary embeddings are not supported")
            }
        }
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
