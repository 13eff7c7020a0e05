// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A text in which markup and words are told apart.
///
/// In markup, special tokens that are written out (`<image>`, `</s>`, `<|im_end|>`) are those tokens, as in every text
/// given to `Tokenizer.encode(text:addSpecialTokens:)`. In words, which somebody typed, they are characters like all
/// others (`split_special_tokens` of transformers). The pieces are encoded as one text: where no special token is spelled
/// out in the words, the ids are those of ``plain``.
public struct MarkedText: Sendable, Equatable {
    /// A stretch of one kind.
    public struct Piece: Sendable, Equatable {
        /// What is written.
        public fileprivate(set) var text: String
        /// Whether special tokens count.
        public let isMarkup: Bool
    }

    /// The stretches, none of them empty, neighbours of different kinds.
    public private(set) var pieces: [Piece] = []

    /// A text with nothing in it.
    public init() {}

    /// A text of markup alone.
    public init(markup text: String) {
        append(markup: text)
    }

    /// A text of words alone.
    public init(words text: String) {
        append(words: text)
    }

    /// The text without the difference.
    public var plain: String { pieces.map(\.text).joined() }

    /// Whether there is nothing in it.
    public var isEmpty: Bool { pieces.isEmpty }

    /// Adds text in which special tokens count.
    public mutating func append(markup text: String) {
        append(Piece(text: text, isMarkup: true))
    }

    /// Adds text that is nothing but text.
    public mutating func append(words text: String) {
        append(Piece(text: text, isMarkup: false))
    }

    /// Adds all of another text.
    public mutating func append(_ other: MarkedText) {
        for piece in other.pieces { append(piece) }
    }

    private mutating func append(_ piece: Piece) {
        if piece.text.isEmpty { return }
        if let last = pieces.indices.last, pieces[last].isMarkup == piece.isMarkup {
            pieces[last].text += piece.text
        } else {
            pieces.append(piece)
        }
    }

    /// The text without spaces at its ends; other white space stays, as transformers' `strip(" ")` leaves it.
    package var withoutOuterSpaces: MarkedText {
        var result = self
        while let text = result.pieces.first?.text {
            let rest = text.unicodeScalars.drop { $0 == " " }
            if !rest.isEmpty {
                result.pieces[0].text = String(rest)
                break
            }
            result.pieces.removeFirst()
        }
        while let last = result.pieces.indices.last {
            var scalars = result.pieces[last].text.unicodeScalars[...]
            while scalars.last == " " { scalars.removeLast() }
            if !scalars.isEmpty {
                result.pieces[last].text = String(scalars)
                break
            }
            result.pieces.removeLast()
        }
        return result
    }

    /// The text before the markup `suffix`; nil when it does not end so.
    package func dropping(suffix: String) -> MarkedText? {
        guard let last = pieces.last, last.isMarkup, Array(last.text.utf8).hasSuffix(Array(suffix.utf8)) else {
            return nil
        }
        var result = self
        result.pieces.removeLast()
        // A suffix of well-formed text that begins with a whole scalar leaves well-formed text.
        result.append(markup: String(decoding: last.text.utf8.dropLast(suffix.utf8.count), as: UTF8.self))
        return result
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ suffix: [UInt8]) -> Bool {
        count >= suffix.count && self.suffix(suffix.count).elementsEqual(suffix)
    }
}
