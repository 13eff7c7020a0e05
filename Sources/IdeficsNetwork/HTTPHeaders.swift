// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

/// Header fields in order; names compare without regard to case.
public struct HTTPHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral, CustomStringConvertible {
    /// One name and value.
    public struct Field: Sendable, Equatable {
        /// The name as given.
        public let name: String
        /// The value without surrounding white space.
        public let value: String
    }

    /// All fields in order.
    public private(set) var fields: [Field] = []

    /// No fields.
    public init() {}

    /// The fields of a literal, in order.
    ///
    /// - Parameter elements: Names and values.
    public init(dictionaryLiteral elements: (String, String)...) {
        fields = elements.map { Field(name: $0.0, value: $0.1) }
    }

    /// The first value with this name; setting replaces every value, nil removes them.
    ///
    /// - Parameter name: A header name in any case.
    public subscript(name: String) -> String? {
        get { fields.first { Self.equal($0.name, name) }?.value }
        set {
            fields.removeAll { Self.equal($0.name, name) }
            if let newValue { append(name, newValue) }
        }
    }

    /// Adds a field, keeping others with the same name.
    ///
    /// - Parameters:
    ///   - name: The header's name.
    ///   - value: The header's value.
    public mutating func append(_ name: String, _ value: String) {
        fields.append(Field(name: name, value: value))
    }

    /// The names only: values may be secret.
    public var description: String { fields.map(\.name).joined(separator: ", ") }

    /// Adds the field of a raw header line; a line without a colon is ignored, as curl ignores it.
    mutating func append(line: String) {
        let bytes = line.utf8
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), colon != bytes.startIndex else { return }
        let value = String(decoding: bytes[bytes.index(after: colon)...], as: UTF8.self)
        append(String(decoding: bytes[..<colon], as: UTF8.self), trimmed(value))
    }

    /// Throws unless every name is a token and every value is free of control characters.
    func validate() throws {
        let separators = Set("()<>@,;:\\\"/[]?={} \t".utf8)
        for field in fields {
            let nameIsToken =
                !field.name.isEmpty && field.name.utf8.allSatisfy { $0 > 32 && $0 < 127 && !separators.contains($0) }
            let valueIsText = field.value.utf8.allSatisfy { $0 >= 32 && $0 != 127 || $0 == 9 }
            guard nameIsToken, valueIsText else {
                throw NetworkError.invalidHeader(name: printable(field.name))
            }
        }
    }

    private static func equal(_ a: String, _ b: String) -> Bool {
        a.utf8.count == b.utf8.count && zip(a.utf8, b.utf8).allSatisfy { lowered($0) == lowered($1) }
    }

    private static func lowered(_ byte: UInt8) -> UInt8 {
        (65...90).contains(byte) ? byte | 32 : byte
    }
}

/// The text without spaces, tabs and line ends around it.
func trimmed(_ text: some StringProtocol) -> String {
    let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" || $0 == "\n" || $0 == "\r\n" }
    let rest = text.drop(while: blank)
    guard let last = rest.lastIndex(where: { !blank($0) }) else { return "" }
    return String(rest[...last])
}
