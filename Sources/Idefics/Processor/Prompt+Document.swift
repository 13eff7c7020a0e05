// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTokenizers

extension Prompt {
    /// A document to learn from.
    ///
    /// Special tokens written out in its texts are tokens, as in every prompt, but for `<image>` and the token around it,
    /// which stand for an image wherever the model reads them: in a text they are words.
    package init(document items: [Item]) {
        let tokens = [IdeficsProcessor.imageToken, IdeficsProcessor.fakeToken]
        self.init(
            items.map { item in
                guard case .text(let text) = item else { return item }
                return .marked(MarkedText(text, words: tokens))
            }
        )
    }
}

extension MarkedText {
    /// Markup in which each of `words` is words.
    fileprivate init(_ text: String, words: [String]) {
        self.init()
        guard let word = words.first else {
            append(markup: text)
            return
        }
        for (index, part) in text.parts(betweenUTF8: word).enumerated() {
            if index > 0 { append(words: word) }
            append(MarkedText(part, words: Array(words.dropFirst())))
        }
    }
}

extension String {
    /// The stretches between each `separator`, which is found byte by byte: characters that combine with it do not hide it.
    package func parts(betweenUTF8 separator: String) -> [String] {
        let mark = Array(separator.utf8)
        var parts: [String] = []
        var part: [UInt8] = []
        for byte in utf8 {
            part.append(byte)
            if byte == mark.last, part.count >= mark.count, part.suffix(mark.count).elementsEqual(mark) {
                part.removeLast(mark.count)
                parts.append(String(decoding: part, as: UTF8.self))
                part = []
            }
        }
        return parts + [String(decoding: part, as: UTF8.self)]
    }
}
