// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A value inside a `JSONDocument` together with its path, so that every complaint can say where it is.
package struct JSONField: Sendable {
    package let document: JSONDocument
    package let index: Int
    /// Dotted, with array indices: `decoder.decoders[2].type`.
    package let path: String

    /// The value of `document`'s node `index`, which complaints call `path`.
    package init(document: JSONDocument, index: Int, path: String) {
        self.document = document
        self.index = index
        self.path = path
    }

    private var node: JSONDocument.Node { document.nodes[index] }
    package var file: String { document.file }
    package var kind: JSONDocument.Kind { node.kind }
    package var isNull: Bool { node.kind == .null }
    package var isObject: Bool { node.kind == .object }
    package var isArray: Bool { node.kind == .array }
    package var isString: Bool { document.isString(at: index) }

    // MARK: - Children

    /// The member named `key`; nil if it is absent, null, or this is no object.
    ///
    /// Of several with this name the last one counts.
    package subscript(key: String) -> JSONField? {
        guard isObject else { return nil }
        var found: Int?
        var child = index + 1
        let key = Array(key.utf8)
        var name: [UInt8] = []
        while child < Int(node.next) {
            name.removeAll(keepingCapacity: true)
            document.appendString(at: child, to: &name)
            if name == key { found = child + 1 }
            child = Int(document.nodes[child + 1].next)
        }
        guard let found, document.nodes[found].kind != .null else { return nil }
        return JSONField(
            document: document,
            index: found,
            path: Self.path(path, key: String(decoding: key, as: UTF8.self))
        )
    }

    /// The member named `key`, which must be there.
    package func required(_ key: String) throws -> JSONField {
        guard let field = self[key] else {
            throw JSONError(file: file, path: Self.path(path, key: key), reason: JSONError.missing)
        }
        return field
    }

    /// The node indices of keys and values, which must be strings by the grammar and anything.
    package func memberIndices() throws -> [(key: Int, value: Int)] {
        guard isObject else { throw wrongType("an object") }
        var result: [(key: Int, value: Int)] = []
        var child = index + 1
        while child < Int(node.next) {
            result.append((child, child + 1))
            child = Int(document.nodes[child + 1].next)
        }
        return result
    }

    /// The node indices of the elements.
    package func elementIndices() throws -> [Int] {
        guard isArray else { throw wrongType("an array") }
        var result: [Int] = []
        var child = index + 1
        while child < Int(node.next) {
            result.append(child)
            child = Int(document.nodes[child].next)
        }
        return result
    }

    /// The members with their names.
    package func members() throws -> [(key: String, value: JSONField)] {
        try memberIndices().map { key, value in
            guard document.isText(at: key) else { throw error("a key \(Self.halfPair)") }
            let name = document.string(at: key)
            return (name, JSONField(document: document, index: value, path: Self.path(path, key: name)))
        }
    }

    /// The elements.
    package func elements() throws -> [JSONField] {
        try elementIndices().enumerated().map { offset, child in
            JSONField(document: document, index: child, path: "\(path)[\(offset)]")
        }
    }

    // MARK: - Values

    package func string() throws -> String {
        try checkText()
        return document.string(at: index)
    }

    /// The string's UTF-8.
    package func utf8() throws -> [UInt8] {
        try checkText()
        var bytes: [UInt8] = []
        document.appendString(at: index, to: &bytes)
        return bytes
    }

    package func bool() throws -> Bool {
        switch node.kind {
        case .true_: true
        case .false_: false
        default: throw wrongType("true or false")
        }
    }

    /// A whole number, also written with a point (`224.0`).
    package func integer() throws -> Int {
        if let value = document.integer(at: index) { return value }
        return try wholeNumber(Int.self)
    }

    /// A whole number that `type` can hold, also written with a point (`224.0`).
    package func wholeNumber<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
        guard node.kind == .number else { throw wrongType("a whole number") }
        if let value = Number(sourceText) { return value }
        if let value = Double(sourceText), value.magnitude < 0x1p53, let whole = Number(exactly: value) {
            return whole
        }
        let isWhole = sourceText.utf8.allSatisfy { 0x30...0x39 ~= $0 || $0 == UInt8(ascii: "-") }
        throw error(isWhole ? "\(sourceText) is out of range" : "expected a whole number, found \(sourceText)")
    }

    /// A number; NaN and infinite ones, which Python writes, only where asked for.
    package func number<Number: BinaryFloatingPoint & LosslessStringConvertible>(
        _ type: Number.Type,
        allowsNonFinite: Bool = false
    ) throws -> Number {
        if allowsNonFinite, isString, let value = Self.nonFinite[document.string(at: index)] { return Number(value) }
        guard node.kind == .number else { throw wrongType("a number") }
        if let value = Self.nonFinite[sourceText] {
            guard allowsNonFinite else { throw error("expected a finite number, found \(sourceText)") }
            return Number(value)
        }
        guard let value = Number(sourceText) else { throw wrongType("a number") }
        guard value.isFinite || allowsNonFinite else { throw error("\(sourceText) is too large") }
        return value
    }

    /// As Python and this package write them.
    private static let nonFinite: [String: Float] = [
        "NaN": .nan, "nan": .nan, "Infinity": .infinity, "inf": .infinity, "-Infinity": -.infinity,
        "-inf": -.infinity,
    ]

    /// The value as it is written.
    package var sourceText: String {
        String(decoding: document.bytes[Int(node.start)..<Int(node.end)], as: UTF8.self)
    }

    // MARK: - Errors

    /// A complaint about this value.
    package func error(_ reason: String) -> JSONError {
        JSONError(file: file, path: path, reason: reason)
    }

    /// A complaint that this is something else than `expected`.
    package func wrongType(_ expected: String) -> JSONError {
        error("expected \(expected), found \(kindName)")
    }

    private var kindName: String {
        switch node.kind {
        case .object: "an object"
        case .array: "an array"
        case .string, .escapedString, .brokenString: "a string"
        case .number: sourceText
        case .true_: "true"
        case .false_: "false"
        case .null: "null"
        }
    }

    private static let halfPair = "holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no text"

    private func checkText() throws {
        guard isString else { throw wrongType("a string") }
        guard document.isText(at: index) else { throw error("the string \(Self.halfPair)") }
    }

    /// The path of the member `key` of the object at `path`; names with other signs than letters, digits, `_` and `-`
    /// stand in brackets.
    package static func path(_ path: String, key: String) -> String {
        let isPlain =
            !key.isEmpty
            && key.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        guard isPlain else { return "\(path)[\"\(key)\"]" }
        return path.isEmpty ? key : "\(path).\(key)"
    }
}
