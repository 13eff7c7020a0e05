// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension Normalizer {
    /// Normalizes `text` as `apply(to:)` does, and carries along which of its bytes are words.
    ///
    /// - Parameters:
    ///   - text: well-formed UTF-8.
    ///   - isWord: for each byte whether it is part of words, afterwards for each of the new ones; what replaces bytes is
    ///     words if one of those was. nil where nobody asks.
    func apply(to text: inout [UInt8], isWord: inout [Bool]?) {
        guard var flags = isWord else {
            apply(to: &text)
            return
        }
        apply(to: &text, flags: &flags)
        isWord = flags
    }

    private func apply(to text: inout [UInt8], flags isWord: inout [Bool]) {
        for step in steps {
            guard let first = isWord.first else { return }
            switch step {
            case .prepend(let prefix):
                text.insert(contentsOf: prefix, at: 0)
                isWord.insert(contentsOf: repeatElement(first, count: prefix.count), at: 0)
            case .replace(let pattern, let content):
                isWord = Self.replaced(text, isWord, pattern, content)
                text = text.replacing(pattern, with: content)
            case .lowercase:
                var result: [Bool] = []
                var position = 0
                for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
                    let count = scalar.properties.lowercaseMapping.utf8.count
                    result.append(contentsOf: repeatElement(isWord[position], count: count))
                    position += UTF8.width(scalar)
                }
                isWord = result
                let alone = Normalizer(steps: [.lowercase])
                alone.apply(to: &text)
            case .form(let form):
                // No normal form joins or parts what is not in one character as people count them.
                var result: [Bool] = []
                var normalized: [UInt8] = []
                var position = 0
                for character in String(decoding: text, as: UTF8.self) {
                    var bytes = Array(character.utf8)
                    let end = position + bytes.count
                    form.apply(to: &bytes)
                    result.append(contentsOf: repeatElement(isWord[position..<end].contains(true), count: bytes.count))
                    normalized.append(contentsOf: bytes)
                    position = end
                }
                isWord = result
                text = normalized
            case .removeExtraSpaces:
                let space = UInt8(ascii: " ")
                var previous = space
                var result: [Bool] = []
                for (byte, word) in zip(text, isWord) {
                    if byte != space || previous != space { result.append(word) }
                    previous = byte
                }
                let alone = Normalizer(steps: [.removeExtraSpaces])
                alone.apply(to: &text)
                // More may have gone at the end.
                isWord = Array(result.prefix(text.count))
            }
        }
    }

    private static func replaced(
        _ text: [UInt8],
        _ isWord: [Bool],
        _ pattern: [UInt8],
        _ content: [UInt8]
    ) -> [Bool] {
        guard !pattern.isEmpty else { return isWord }
        var result: [Bool] = []
        result.reserveCapacity(isWord.count)
        var position = 0
        while position < text.count {
            let end = position + pattern.count
            if end <= text.count, text[position..<end].elementsEqual(pattern) {
                result.append(contentsOf: repeatElement(isWord[position..<end].contains(true), count: content.count))
                position = end
            } else {
                result.append(isWord[position])
                position += 1
            }
        }
        return result
    }
}
