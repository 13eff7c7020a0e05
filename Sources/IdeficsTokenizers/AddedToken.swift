// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// A token that is cut out of the text before anything else looks at it.
struct AddedToken: Sendable, Equatable {
    var content: String
    var id: Int
    /// Left out by `skipSpecialTokens`.
    var special: Bool
    /// Only matches where no letter, digit or underscore adjoins it.
    var singleWord = false
    /// Takes the white space on its left with it.
    var lstrip = false
    /// Takes the white space on its right with it.
    var rstrip = false
    /// Is looked for in the normalized text, normalized itself.
    var normalized = false

    /// Whether it is structure, never something that words mean: a special token, or one in angle brackets, which some
    /// files do not call special (`<tool_call>`).
    var isMarkup: Bool {
        special || content.utf8.first == UInt8(ascii: "<") && content.utf8.last == UInt8(ascii: ">")
    }

    /// Longer contents would make matching slow on hostile text; real ones are shorter than 100.
    static let maximumLength = 512
}

extension AddedToken {
    /// Reads an element of `added_tokens`, `added_tokens_decoder` or `special_tokens_map.json`.
    init(_ field: JSONField, id: Int, special: Bool? = nil) throws {
        content = try field.required("content").string()
        self.id = id
        self.special = try special ?? field["special"]?.bool() ?? false
        singleWord = try field["single_word"]?.bool() ?? false
        lstrip = try field["lstrip"]?.bool() ?? false
        rstrip = try field["rstrip"]?.bool() ?? false
        normalized = try field["normalized"]?.bool() ?? !self.special
        guard content.utf8.count <= Self.maximumLength else {
            throw field.invalid("an added token is longer than \(Self.maximumLength) bytes")
        }
    }
}
