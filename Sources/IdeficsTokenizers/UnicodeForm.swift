// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A normal form of Unicode (UAX #15), named as in tokenizer.json.
enum UnicodeForm: String, Sendable {
    case nfc = "NFC"
    case nfd = "NFD"
    case nfkc = "NFKC"
    case nfkd = "NFKD"

    /// How many times longer a text in UTF-8 can become.
    var expansion: Int {
        switch self {
        case .nfc, .nfd: 3
        case .nfkc, .nfkd: 11
        }
    }

    /// Brings `text`, which must be well-formed UTF-8, into this form.
    func apply(to text: inout [UInt8]) {
        // ASCII is in every form.
        guard text.contains(where: { $0 >= 0x80 }) else { return }
        let string = String(decoding: text, as: UTF8.self)
        let result =
            switch self {
            case .nfc: string.precomposedStringWithCanonicalMapping
            case .nfd: string.decomposedStringWithCanonicalMapping
            case .nfkc: string.precomposedStringWithCompatibilityMapping
            case .nfkd: string.decomposedStringWithCompatibilityMapping
            }
        text = Array(result.utf8)
    }
}
