// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Reads `Decodable` types from a `JSONField`.
struct JSONFieldDecoder: Decoder {
    let field: JSONField
    let allowsNonFinite: Bool
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    init(_ field: JSONField, allowsNonFinite: Bool, codingPath: [any CodingKey] = []) {
        self.field = field
        self.allowsNonFinite = allowsNonFinite
        self.codingPath = codingPath
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(try JSONKeyedContainer<Key>(self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try JSONUnkeyedContainer(self)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer {
        JSONSingleValueContainer(decoder: self)
    }

    /// The decoder of the node `index` below this one.
    func child(_ index: Int, _ key: any CodingKey) -> JSONFieldDecoder {
        JSONFieldDecoder(
            JSONField(document: field.document, index: index, path: ""),
            allowsNonFinite: allowsNonFinite,
            codingPath: codingPath + [key]
        )
    }

    /// The value, numbers and texts without a detour through their own initializers.
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        guard let scalar = type as? any JSONScalar.Type else { return try Value(from: self) }
        guard let value = try checked({ try scalar.init(json: $0, allowsNonFinite: $1) }) as? Value else {
            throw mismatch(type, "is not of type \(type)")
        }
        return value
    }

    /// What `read` makes of the field; its complaints become those of a decoder.
    func checked<Value>(_ read: (JSONField, Bool) throws -> Value) throws -> Value {
        do {
            return try read(field, allowsNonFinite)
        } catch let error as JSONError {
            throw mismatch(Value.self, error.reason)
        }
    }

    private func mismatch(_ type: any Any.Type, _ reason: String) -> DecodingError {
        .typeMismatch(type, .init(codingPath: codingPath, debugDescription: reason))
    }
}

// MARK: - Numbers and texts

/// A value that is one JSON token.
private protocol JSONScalar {
    init(json field: JSONField, allowsNonFinite: Bool) throws
}

extension Bool: JSONScalar {
    fileprivate init(json field: JSONField, allowsNonFinite: Bool) throws { self = try field.bool() }
}

extension String: JSONScalar {
    fileprivate init(json field: JSONField, allowsNonFinite: Bool) throws { self = try field.string() }
}

extension FixedWidthInteger {
    fileprivate init(json field: JSONField, allowsNonFinite: Bool) throws { self = try field.wholeNumber(Self.self) }
}

extension Int: JSONScalar {}
extension Int8: JSONScalar {}
extension Int16: JSONScalar {}
extension Int32: JSONScalar {}
extension Int64: JSONScalar {}
extension UInt: JSONScalar {}
extension UInt8: JSONScalar {}
extension UInt16: JSONScalar {}
extension UInt32: JSONScalar {}
extension UInt64: JSONScalar {}

extension BinaryFloatingPoint where Self: LosslessStringConvertible {
    fileprivate init(json field: JSONField, allowsNonFinite: Bool) throws {
        self = try field.number(Self.self, allowsNonFinite: allowsNonFinite)
    }
}

extension Double: JSONScalar {}
extension Float: JSONScalar {}

// MARK: - Containers

private struct JSONSingleValueContainer: SingleValueDecodingContainer {
    let decoder: JSONFieldDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }

    func decodeNil() -> Bool { decoder.field.isNull }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decoder.decode(type) }
}

private struct JSONKeyedContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: JSONFieldDecoder
    /// Node indices of values; of several with one name the last.
    private let values: [String: Int]
    let allKeys: [Key]
    var codingPath: [any CodingKey] { decoder.codingPath }

    init(_ decoder: JSONFieldDecoder) throws {
        self.decoder = decoder
        let document = decoder.field.document
        var values: [String: Int] = [:]
        var names: [String] = []
        for (key, value) in try decoder.checked({ field, _ in try field.memberIndices() }) {
            let name = document.string(at: key)
            if values.updateValue(value, forKey: name) == nil { names.append(name) }
        }
        self.values = values
        allKeys = names.compactMap(Key.init(stringValue:))
    }

    func contains(_ key: Key) -> Bool { values[key.stringValue] != nil }

    private func child(_ key: any CodingKey) throws -> JSONFieldDecoder {
        guard let index = values[key.stringValue] else {
            throw DecodingError.keyNotFound(key, .init(codingPath: codingPath, debugDescription: JSONError.missing))
        }
        return decoder.child(index, key)
    }

    func decodeNil(forKey key: Key) throws -> Bool { try child(key).field.isNull }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value { try child(key).decode(type) }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> {
        try child(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try child(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { try child(JSONKey("super")) }

    func superDecoder(forKey key: Key) throws -> any Decoder { try child(key) }
}

private struct JSONUnkeyedContainer: UnkeyedDecodingContainer {
    let decoder: JSONFieldDecoder
    private let elements: [Int]
    private(set) var currentIndex = 0
    var codingPath: [any CodingKey] { decoder.codingPath }
    var count: Int? { elements.count }
    var isAtEnd: Bool { currentIndex == elements.count }

    init(_ decoder: JSONFieldDecoder) throws {
        self.decoder = decoder
        elements = try decoder.checked { field, _ in try field.elementIndices() }
    }

    /// What `read` makes of the next element, which is stepped over when that succeeds.
    private mutating func next<Value>(_ read: (JSONFieldDecoder) throws -> Value) throws -> Value {
        let key = JSONKey(index: currentIndex)
        guard !isAtEnd else {
            let context = DecodingError.Context(codingPath: codingPath + [key], debugDescription: JSONError.missing)
            throw DecodingError.valueNotFound(Value.self, context)
        }
        let value = try read(decoder.child(elements[currentIndex], key))
        currentIndex += 1
        return value
    }

    mutating func decodeNil() throws -> Bool {
        guard !isAtEnd, decoder.field.document.nodes[elements[currentIndex]].kind == .null else { return false }
        currentIndex += 1
        return true
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try next { try $0.decode(type) } }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> {
        try next { try $0.container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try next { try $0.unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder { try next { $0 } }
}
