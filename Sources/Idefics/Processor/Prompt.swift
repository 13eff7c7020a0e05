// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import IdeficsImages
public import IdeficsTokenizers

/// Text and images in the order a reader sees them.
public struct Prompt: Sendable, ExpressibleByArrayLiteral {
    /// One piece of a prompt.
    public enum Item: Sendable {
        /// Text as it stands: special tokens that are written out are tokens.
        case text(String)
        /// Text in which words, which are nothing but text, are told from markup.
        case marked(MarkedText)
        /// An image.
        case image(ImageSource)
    }

    /// The pieces.
    public var items: [Item]

    /// A prompt of the given pieces.
    public init(_ items: [Item]) {
        self.items = items
    }

    /// A prompt of the given pieces.
    public init(arrayLiteral elements: Item...) {
        items = elements
    }

    /// A prompt of plain strings by the rules of transformers' processor: a string that is a URL is an image.
    public init(strings: [String]) {
        items = strings.map { string in
            Self.url(in: string).map { .image(.url($0)) } ?? .text(string)
        }
    }

    /// The http or https URL that `string` is, the scheme in any case, white space around it aside; nil when it is text.
    static func url(in string: String) -> URL? {
        let stripped = string.drop(while: \.isWhitespace)
        // A long text is not copied to find out that it is one.
        let scheme = stripped.prefix(8).lowercased()
        guard scheme.hasPrefix("http://") || scheme.hasPrefix("https://") else { return nil }
        let address = stripped[...(stripped.lastIndex { !$0.isWhitespace } ?? stripped.startIndex)]
        guard !address.contains(where: \.isWhitespace) else { return nil }
        guard let url = URL(string: String(address)), let host = url.host(), !host.isEmpty else { return nil }
        return url
    }
}

extension Prompt.Item {
    /// Its text; nil for an image.
    package var markedText: MarkedText? {
        switch self {
        case .text(let text): MarkedText(markup: text)
        case .marked(let text): text
        case .image: nil
        }
    }

    /// Whether it is text without a character.
    package var isEmptyText: Bool { markedText?.isEmpty ?? false }
}

/// `string` without spaces at its ends; other white space stays, as transformers' `strip(" ")` leaves it.
func stripSpaces(_ string: String) -> String {
    var scalars = Substring(string).unicodeScalars
    while scalars.first == " " { scalars.removeFirst() }
    while scalars.last == " " { scalars.removeLast() }
    return String(scalars)
}
