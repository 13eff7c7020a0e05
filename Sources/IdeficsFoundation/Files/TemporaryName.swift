// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Names of files and folders that exist only while something is being made: `.NAME.idefics-TOKEN.tmp`.
///
/// The token is random, so that no such name is anybody else's choice: what bears one was made by this program.
struct TemporaryName: Hashable {
    /// What the thing is to be called, cut to 160 bytes.
    let name: String
    private let token: String

    private static let mark = Array(".idefics-".utf8)
    private static let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
    private static let tokenLength = 20
    private static let suffixes = [".tmp", ".old", ".lock"].map { Array($0.utf8) }

    /// A new name for what is to be called `name`.
    init(for name: String) {
        self.name = Self.cut(name)
        token = String(decoding: (0..<Self.tokenLength).map { _ in Self.digits[Int.random(in: 0..<36)] }, as: UTF8.self)
    }

    /// The name that `file` is made of; nil if it is not one of ours.
    init?(file: String) {
        let bytes = Array(file.utf8)
        guard bytes.first == UInt8(ascii: "."),
            let suffix = Self.suffixes.first(where: { bytes.reversed().starts(with: $0.reversed()) })
        else { return nil }
        let stem = bytes.dropFirst().dropLast(suffix.count)
        let token = stem.suffix(Self.tokenLength)
        let marked = stem.dropLast(token.count)
        guard token.count == Self.tokenLength, token.allSatisfy(Self.digits.contains),
            marked.suffix(Self.mark.count).elementsEqual(Self.mark)
        else { return nil }
        name = String(decoding: marked.dropLast(Self.mark.count), as: UTF8.self)
        self.token = String(decoding: token, as: UTF8.self)
    }

    /// Whether this is a name for what is to be called `name`.
    func isFor(_ name: String) -> Bool { self.name.utf8.elementsEqual(Self.cut(name).utf8) }

    /// File systems take 255 bytes; most of a long name will do for people.
    private static func cut(_ name: String) -> String {
        var short = ""
        for scalar in name.unicodeScalars {
            short.unicodeScalars.append(scalar)
            if short.utf8.count > 156 { break }
        }
        return short
    }

    /// What is being made.
    var content: String { stem + ".tmp" }
    /// What it replaces, where two folders cannot change places in one instant.
    var old: String { stem + ".old" }
    /// Held by whoever makes it.
    var lock: String { stem + ".lock" }

    private var stem: String { ".\(name)\(String(decoding: Self.mark, as: UTF8.self))\(token)" }
}
