// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// A line of `idefics chat`: a turn or a command.
enum ChatLine: Equatable {
    /// Nothing but spaces.
    case blank
    /// A turn.
    case turn(String)
    /// `/image` and what follows it after one space, as it stands (see `PathBytes`).
    case image(String)
    /// `/reset`.
    case reset
    /// `/quit` or `/exit`.
    case quit
    /// A word with a slash that is no command.
    case unknown(String)

    /// Reads a line without its line feed.
    ///
    /// A byte order mark before it and a carriage return after it, both from Windows, are no part of it; spaces around a
    /// command are not either.
    init(_ bytes: some Collection<UInt8>) {
        var bytes = Array(bytes)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        let start = bytes.prefix { Self.isSpace($0) }.count
        let word = bytes[start...].prefix { !Self.isSpace($0) }
        guard let first = word.first else {
            self = .blank
            return
        }
        guard first == UInt8(ascii: "/") else {
            self = .turn(String(decoding: bytes, as: UTF8.self))
            return
        }
        switch String(decoding: word, as: UTF8.self) {
        case "/image": self = .image(PathBytes.string(bytes[word.endIndex...].dropFirst()))
        case "/reset": self = .reset
        case "/quit", "/exit": self = .quit
        case let word: self = .unknown(word)
        }
    }

    static func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || (9...13).contains(byte) }
}
