// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// Why a tokenizer could not be loaded.
///
/// Every case names the file; `field` is the path inside it (`model.merges[12]`).
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The directory holds neither `tokenizer.json` nor `tokenizer.model`.
    case missingFile(directory: String)
    /// The file cannot be opened, is not a regular file, or is larger than any tokenizer is.
    case unreadableFile(file: String, reason: String)
    /// The file is not well-formed JSON; lines and columns (in bytes) count from 1.
    case malformedJSON(file: String, line: Int, column: Int, reason: String)
    /// The file is not a well-formed SentencePiece model; `offset` is in bytes.
    case malformedProtobuf(file: String, offset: Int, reason: String)
    /// A field that must be there is not.
    case missingField(file: String, field: String)
    /// A field has a value that makes no sense.
    case invalidField(file: String, field: String, reason: String)
    /// A field asks, in a legal way, for something this package does not implement.
    case unsupported(file: String, field: String, name: String)

    /// What is wrong, where, and what to do.
    public var description: String {
        switch self {
        case .missingFile(let directory):
            "\(printable(directory)): no tokenizer.json and no tokenizer.model; download one of them next to config.json"
        case .unreadableFile(let file, let reason):
            "\(printable(file)): cannot be read: \(printable(reason))"
        case .malformedJSON(let file, let line, let column, let reason):
            "\(printable(file)): not valid JSON at line \(line), column \(column): \(printable(reason)); "
                + "download the file again"
        case .malformedProtobuf(let file, let offset, let reason):
            "\(printable(file)): not a SentencePiece model, at byte \(offset): \(printable(reason)); "
                + "download the file again"
        case .missingField(let file, let field):
            "\(printable(file)): \(printable(field)) is missing"
        case .invalidField(let file, let field, let reason):
            "\(printable(file)): \(printable(field)): \(printable(reason))"
        case .unsupported(let file, let field, let name):
            "\(printable(file)): \(printable(field)): \(printable(name)) is not supported"
        }
    }
}

extension TokenizerError {
    /// What the reader of JSON complained of.
    init(_ error: JSONError) {
        if let line = error.line {
            self = .malformedJSON(file: error.file, line: line, column: error.column ?? 1, reason: error.reason)
        } else if error.reason == JSONError.missing {
            self = .missingField(file: error.file, field: error.path)
        } else {
            self = .invalidField(
                file: error.file,
                field: error.path.isEmpty ? "the file" : error.path,
                reason: error.reason
            )
        }
    }

    /// What `read` gives; complaints of the reader of JSON become this module's own.
    static func wrapping<Value>(_ read: () throws -> Value) throws -> Value {
        do {
            return try read()
        } catch let error as JSONError {
            throw TokenizerError(error)
        }
    }
}

extension JSONField {
    /// An integer that can be a token id: not negative, and within 31 bits.
    func tokenId() throws -> Int {
        let value = try integer()
        guard value >= 0, value <= Int(Int32.max) else { throw invalid("\(value) cannot be a token id") }
        return value
    }

    func invalid(_ reason: String) -> TokenizerError {
        TokenizerError(error(reason))
    }

    func unsupported(_ name: String) -> TokenizerError {
        .unsupported(file: file, field: path, name: name.excerpt)
    }
}

extension String {
    /// At most 60 characters of untrusted text with control characters escaped, fit for an error message.
    var excerpt: String {
        var result = ""
        for scalar in unicodeScalars.prefix(60) {
            result += scalar.escaped(asASCII: scalar.value < 0x20 || scalar.value == 0x7F)
        }
        return unicodeScalars.count > 60 ? result + "…" : result
    }
}
