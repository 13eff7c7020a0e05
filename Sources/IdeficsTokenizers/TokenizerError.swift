// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Why a tokenizer could not be loaded.
///
/// Every case names the file; `field` is the path inside it (`model.merges[12]`).
public enum TokenizerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The directory holds neither `tokenizer.json` nor `tokenizer.model`.
    case missingFile(directory: String)
    /// The file cannot be opened, is not a regular file, or is larger than any tokenizer is.
    case unreadableFile(file: String, reason: String)
    /// The file is not well-formed JSON; `offset` is in bytes.
    case malformedJSON(file: String, offset: Int, reason: String)
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
            "\(directory): no tokenizer.json and no tokenizer.model; download one of them next to config.json"
        case .unreadableFile(let file, let reason):
            "\(file): cannot be read: \(reason)"
        case .malformedJSON(let file, let offset, let reason):
            "\(file): not valid JSON at byte \(offset): \(reason); download the file again"
        case .malformedProtobuf(let file, let offset, let reason):
            "\(file): not a SentencePiece model, at byte \(offset): \(reason); download the file again"
        case .missingField(let file, let field):
            "\(file): \(field) is missing"
        case .invalidField(let file, let field, let reason):
            "\(file): \(field): \(reason)"
        case .unsupported(let file, let field, let name):
            "\(file): \(field): \(name) is not supported"
        }
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
