// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// The keys of one mapping of a recipe: each is read at most once, and what nobody asked for is an error.
struct StrictKeys {
    private let container: KeyedDecodingContainer<JSONKey>
    private var known: [String] = []

    init(_ decoder: any Decoder) throws {
        container = try decoder.container(keyedBy: JSONKey.self)
    }

    /// Sets `value` when `key` is there and not null.
    mutating func read<Value: Decodable>(_ key: String, into value: inout Value) throws {
        known.append(key)
        if let found = try container.decodeIfPresent(Value.self, forKey: JSONKey(key)) { value = found }
    }

    /// Sets `value` when `key` is there and not null.
    mutating func read<Value: Decodable>(_ key: String, into value: inout Value?) throws {
        known.append(key)
        if let found = try container.decodeIfPresent(Value.self, forKey: JSONKey(key)) { value = found }
    }

    /// Ends the reading.
    ///
    /// - Throws: `TrainingError.config` naming the first key, by name, that was not asked for.
    func finish() throws {
        let unknown = container.allKeys.map(\.stringValue).filter { !known.contains($0) }.sorted()
        guard let first = unknown.first else { return }
        throw TrainingError.config(
            key: (container.codingPath.map(\.stringValue) + [first]).joined(separator: "."),
            reason: "unknown key; known here: \(known.sorted().joined(separator: ", "))"
        )
    }
}
