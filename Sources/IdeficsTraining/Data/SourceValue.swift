// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// A value of a ``BatchSource``'s own, a position or an identity, as JSON: a run stores it and compares it, and only the
/// source knows what it means.
public struct SourceValue: Sendable, Equatable {
    private let node: Node

    /// A value that the source can read again.
    ///
    /// - Throws: what encoding throws.
    public init(_ value: some Encodable) throws {
        self = try JSONReader.decode(SourceValue.self, from: JSONEncoder().encode(value), file: "")
    }

    /// The value as the source's own type.
    ///
    /// - Parameter type: what is expected.
    /// - Returns: the value.
    /// - Throws: an error that names the key that does not fit.
    public func decoded<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        try JSONReader.decode(type, from: JSONEncoder().encode(self), file: "")
    }

    private indirect enum Node: Sendable, Equatable {
        case null
        case bool(Bool)
        case integer(Int)
        case unsigned(UInt64)
        case number(Double)
        case text(String)
        case list([SourceValue])
        case object([String: SourceValue])
    }
}

extension SourceValue: Codable {
    /// Reads any value.
    public init(from decoder: any Decoder) throws {
        if let object = try? decoder.container(keyedBy: JSONKey.self) {
            var values: [String: SourceValue] = [:]
            for key in object.allKeys { values[key.stringValue] = try object.decode(SourceValue.self, forKey: key) }
            node = .object(values)
            return
        }
        if var list = try? decoder.unkeyedContainer() {
            var values: [SourceValue] = []
            while !list.isAtEnd { values.append(try list.decode(SourceValue.self)) }
            node = .list(values)
            return
        }
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            node = .null
        } else if let found = try? value.decode(Bool.self) {
            node = .bool(found)
        } else if let found = try? value.decode(Int.self) {
            node = .integer(found)
        } else if let found = try? value.decode(UInt64.self) {
            node = .unsigned(found)
        } else if let found = try? value.decode(Double.self) {
            node = .number(found)
        } else {
            node = .text(try value.decode(String.self))
        }
    }

    /// Writes the value.
    public func encode(to encoder: any Encoder) throws {
        switch node {
        case .object(let values):
            var object = encoder.container(keyedBy: JSONKey.self)
            for (key, value) in values { try object.encode(value, forKey: JSONKey(key)) }
        case .list(let values):
            var list = encoder.unkeyedContainer()
            for value in values { try list.encode(value) }
        case .null:
            var value = encoder.singleValueContainer()
            try value.encodeNil()
        case .bool(let found): try found.encode(to: encoder)
        case .integer(let found): try found.encode(to: encoder)
        case .unsigned(let found): try found.encode(to: encoder)
        case .number(let found): try found.encode(to: encoder)
        case .text(let found): try found.encode(to: encoder)
        }
    }
}
