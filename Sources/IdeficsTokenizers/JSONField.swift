// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A value inside a `JSONDocument` together with its path, so that every complaint can say where it is.
struct JSONField {
    let document: JSONDocument
    let index: Int
    /// Dotted, with array indices: `decoder.decoders[2].type`.
    let path: String

    private var node: JSONDocument.Node { document.nodes[index] }
    var file: String { document.file }
    var isNull: Bool { node.kind == .null }
    var isObject: Bool { node.kind == .object }
    var isArray: Bool { node.kind == .array }
    var isString: Bool { document.isString(at: index) }

    // MARK: - Children

    /// The member named `key`; nil if it is absent, null, or this is no object.
    ///
    /// Of several with this name the last one counts.
    subscript(key: String) -> JSONField? {
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
        return JSONField(document: document, index: found, path: childPath(String(decoding: key, as: UTF8.self)))
    }

    /// The member named `key`, which must be there.
    func required(_ key: String) throws -> JSONField {
        guard let field = self[key] else { throw TokenizerError.missingField(file: file, field: childPath(key)) }
        return field
    }

    /// The node indices of keys and values, which must be strings by the grammar and anything.
    func memberIndices() throws -> [(key: Int, value: Int)] {
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
    func elementIndices() throws -> [Int] {
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
    func members() throws -> [(key: String, value: JSONField)] {
        try memberIndices().map { key, value in
            let name = document.string(at: key)
            return (name, JSONField(document: document, index: value, path: childPath(name)))
        }
    }

    /// The elements.
    func elements() throws -> [JSONField] {
        try elementIndices().enumerated().map { offset, child in
            JSONField(document: document, index: child, path: "\(path)[\(offset)]")
        }
    }

    // MARK: - Values

    func string() throws -> String {
        guard isString else { throw wrongType("a string") }
        return document.string(at: index)
    }

    /// The string's UTF-8.
    func utf8() throws -> [UInt8] {
        guard isString else { throw wrongType("a string") }
        var bytes: [UInt8] = []
        document.appendString(at: index, to: &bytes)
        return bytes
    }

    func bool() throws -> Bool {
        switch node.kind {
        case .true_: true
        case .false_: false
        default: throw wrongType("true or false")
        }
    }

    func integer() throws -> Int {
        guard let value = document.integer(at: index) else { throw wrongType("an integer") }
        return value
    }

    /// An integer that can be a token id: not negative, and within 31 bits.
    func tokenId() throws -> Int {
        let value = try integer()
        guard value >= 0, value <= Int(Int32.max) else { throw invalid("\(value) cannot be a token id") }
        return value
    }

    /// The value as it is written.
    var sourceText: String {
        String(decoding: document.bytes[Int(node.start)..<Int(node.end)], as: UTF8.self)
    }

    // MARK: - Errors

    func invalid(_ reason: String) -> TokenizerError {
        .invalidField(file: file, field: path.isEmpty ? "the file" : path, reason: reason)
    }

    func unsupported(_ name: String) -> TokenizerError {
        .unsupported(file: file, field: path, name: name.excerpt)
    }

    private func wrongType(_ expected: String) -> TokenizerError {
        invalid("\(expected) was expected")
    }

    private func childPath(_ key: String) -> String {
        path.isEmpty ? key.excerpt : "\(path).\(key.excerpt)"
    }
}
