// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What the patterns of pre-tokenizers ask about a character.
///
/// Categories come from the Swift library's Unicode tables; a character assigned in a later Unicode version than
/// the reference's regex library knows can therefore be split differently.
enum ScalarClass {
    /// `\p{L}`
    case letter
    /// `\p{N}`
    case number
    /// `\s`
    case space
    case other

    @inline(__always)
    init(_ scalar: UInt32) {
        self = scalar < 128 ? Self.ascii[Int(scalar)] : Self(nonASCII: scalar)
    }

    private static let ascii: [ScalarClass] = (UInt32(0)..<128).map { ScalarClass(nonASCII: $0) }

    private init(nonASCII value: UInt32) {
        // Most text that is not ASCII: CJK ideographs, kana, Hangul; known without the tables.
        if 0x4E00...0x9FFF ~= value || 0xAC00...0xD7A3 ~= value || 0x3041...0x3096 ~= value {
            self = .letter
            return
        }
        guard let scalar = Unicode.Scalar(value) else {
            self = .other
            return
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
        case .decimalNumber, .letterNumber, .otherNumber: self = .number
        default: self = Self.isSpace(value) ? .space : .other
        }
    }

    /// `White_Space`.
    static func isSpace(_ value: UInt32) -> Bool {
        switch value {
        case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    /// `\w`: alphabetic, marks, decimal numbers, connector punctuation, join controls.
    static func isWord(_ value: UInt32) -> Bool {
        guard let scalar = Unicode.Scalar(value) else { return false }
        let properties = scalar.properties
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
        default: return properties.isAlphabetic || properties.isJoinControl
        }
    }
}
