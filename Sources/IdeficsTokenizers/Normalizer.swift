// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// What happens to a segment of text before it is split and encoded.
struct Normalizer: Sendable, Equatable {
    /// One step.
    enum Step: Sendable, Equatable {
        case prepend([UInt8])
        case replace(pattern: [UInt8], content: [UInt8])
        case lowercase
        case form(UnicodeForm)
        /// SentencePiece's `remove_extra_whitespaces`: none at the ends, single ones inside.
        case removeExtraSpaces
    }

    /// How much longer a file may make text; a chain of "a" → "aa" would double it with every step.
    static let maximumExpansion = 64

    /// Published tokenizers have up to five.
    static let maximumSteps = 64

    var steps: [Step] = []

    /// Throws if the steps would make text unreasonably long.
    func checkSize(_ root: JSONField) throws {
        guard steps.count <= Self.maximumSteps else {
            throw TokenizerError.invalidField(
                file: root.file,
                field: "normalizer",
                reason: "more than \(Self.maximumSteps) steps"
            )
        }
        var expansion = 1
        for step in steps {
            switch step {
            case .prepend(let prefix): expansion += prefix.count
            case .replace(let pattern, let content): expansion *= Self.expansion(pattern, content)
            case .lowercase: expansion *= 3
            case .form(let form): expansion *= form.expansion
            case .removeExtraSpaces: break
            }
            guard expansion <= Self.maximumExpansion else {
                throw TokenizerError.invalidField(
                    file: root.file,
                    field: "normalizer",
                    reason: "makes the text more than \(Self.maximumExpansion) times longer"
                )
            }
        }
    }

    /// How many times longer a replacement can make text, rounded up.
    static func expansion(_ pattern: [UInt8], _ content: [UInt8]) -> Int {
        max(1, (min(content.count, 1 << 20) + pattern.count - 1) / max(pattern.count, 1))
    }

    /// Normalizes `text`, which must be well-formed UTF-8.
    func apply(to text: inout [UInt8]) {
        for step in steps {
            if text.isEmpty { return }
            switch step {
            case .prepend(let prefix): text.insert(contentsOf: prefix, at: 0)
            case .replace(let pattern, let content): text = text.replacing(pattern, with: content)
            case .lowercase: text = Self.lowercased(text)
            case .form(let form): form.apply(to: &text)
            case .removeExtraSpaces: text = Self.withoutExtraSpaces(text)
            }
        }
    }

    private static func lowercased(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        // Scalar by scalar, as tokenizers does: a final Σ becomes σ, not ς.
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            if scalar.isASCII {
                let byte = UInt8(truncatingIfNeeded: scalar.value)
                result.append(0x41...0x5A ~= byte ? byte + 0x20 : byte)
            } else {
                result.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
            }
        }
        return result
    }

    private static func withoutExtraSpaces(_ text: [UInt8]) -> [UInt8] {
        let space = UInt8(ascii: " ")
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        for byte in text where byte != space || (result.last ?? space) != space { result.append(byte) }
        // A literal "▁" at the end counts as a space there, but not elsewhere.
        while true {
            if result.last == space {
                result.removeLast()
            } else if result.count >= 3, result.suffix(3).elementsEqual(BytePairModel.metaspace) {
                result.removeLast(3)
            } else {
                return result
            }
        }
    }
}

extension [UInt8] {
    /// A copy with every `pattern`, found from left to right, replaced.
    func replacing(_ pattern: [UInt8], with content: [UInt8]) -> [UInt8] {
        guard let first = pattern.first else { return self }
        var result: [UInt8] = []
        result.reserveCapacity(count + 16)
        var position = 0
        while position < count {
            if self[position] == first, count - position >= pattern.count,
                (1..<Swift.max(pattern.count, 1)).allSatisfy({ self[position + $0] == pattern[$0] })
            {
                result.append(contentsOf: content)
                position += pattern.count
            } else {
                result.append(self[position])
                position += 1
            }
        }
        return result
    }
}

// MARK: - tokenizer.json

extension Normalizer {
    /// Reads the `normalizer` of `tokenizer.json`.
    init(_ field: JSONField?) throws {
        guard let field else { return }
        try append(field)
    }

    private mutating func append(_ field: JSONField) throws {
        let type = try field.required("type").string()
        switch type {
        case "Sequence":
            for element in try field.required("normalizers").elements() { try append(element) }
        case "Prepend":
            steps.append(.prepend(try field.required("prepend").utf8()))
        case "Replace":
            let pattern = try field.required("pattern")
            guard let text = pattern["String"] else { throw pattern.unsupported("a pattern that is no String") }
            steps.append(.replace(pattern: try text.utf8(), content: try field.required("content").utf8()))
        case "Lowercase":
            steps.append(.lowercase)
        default:
            guard let form = UnicodeForm(rawValue: type) else {
                throw try field.required("type").unsupported("normalizer \(type)")
            }
            steps.append(.form(form))
        }
    }
}
