// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// The ids put around an encoded text when special tokens are asked for.
struct PostProcessor: Sendable, Equatable {
    var prefix: [Int] = []
    var suffix: [Int] = []
    /// Whether the file has a template, even one that puts nothing around a text.
    var isTemplate = false
}

// MARK: - tokenizer.json

extension PostProcessor {
    /// Reads the `post_processor` of `tokenizer.json`; only its template for single texts matters here.
    init(_ field: JSONField?) throws {
        guard let field else { return }
        try append(field)
    }

    private mutating func append(_ field: JSONField) throws {
        let type = try field.required("type")
        switch try type.string() {
        case "Sequence":
            for element in try field.required("processors").elements() { try append(element) }
        case "ByteLevel":
            break  // Only moves offsets.
        case "TemplateProcessing":
            try appendTemplate(field)
        case let name:
            throw type.unsupported("post-processor \(name)")
        }
    }

    private mutating func appendTemplate(_ field: JSONField) throws {
        let ids = Dictionary(
            try field["special_tokens"]?.members() ?? [],
            uniquingKeysWith: { $1 }
        )
        var before: [Int] = []
        var after: [Int] = []
        var hasText = false
        for element in try field.required("single").elements() {
            if let token = element["SpecialToken"] {
                let name = try token.required("id")
                guard let entry = ids[try name.string()] else {
                    throw name.invalid("'\(try name.string().excerpt)' is not among special_tokens")
                }
                let values = try entry.required("ids").elements().map { try $0.tokenId() }
                if hasText { after += values } else { before += values }
            } else {
                guard !hasText, try element.required("Sequence").required("id").string() == "A" else {
                    throw element.unsupported("a template that is not one sequence A")
                }
                hasText = true
            }
        }
        guard hasText else { throw field.invalid("the template has no sequence A") }
        isTemplate = true
        prefix = before + prefix
        suffix += after
    }
}
