// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

/// The name of a repository, `ORG/NAME` or `NAME`, checked by the hub's rules.
///
/// Letters, digits, `-`, `_` and `.`; at most 96 characters; no `--` or `..`; neither part starts or ends with `-` or
/// `.`; `.git` is no ending. A checked name is safe as part of a path and of a URL.
public struct RepoId: Hashable, Sendable, CustomStringConvertible {
    /// The name as given.
    public let description: String

    /// Checks a name.
    ///
    /// - Parameter text: `ORG/NAME` or `NAME`.
    /// - Throws: `HubError.invalidRepoId`.
    public init(_ text: String) throws {
        func fail(_ reason: String) -> HubError { .invalidRepoId(printable(text), reason: reason) }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { throw fail("more than one /") }
        guard text.utf8.count <= 96 else { throw fail("longer than 96 characters") }
        for part in parts {
            guard !part.isEmpty else { throw fail("a part is empty") }
            let isPlain = part.utf8.allSatisfy { isAlphanumeric($0) || "-_.".utf8.contains($0) }
            guard isPlain else { throw fail("only letters, digits, -, _ and . are allowed") }
            let ends = [part.first, part.last]
            guard !ends.contains("-"), !ends.contains(".") else { throw fail("a part starts or ends with - or .") }
        }
        guard !text.contains("--"), !text.contains("..") else { throw fail("-- or .. inside") }
        guard !text.hasSuffix(".git") else { throw fail("ends with .git") }
        description = text
    }

    /// The name of its folder in the cache: `models--ORG--NAME`.
    var folderName: String { "models--" + description.split(separator: "/").joined(separator: "--") }
}

/// A branch, tag, pull request (`refs/pr/1`) or commit, checked to be safe as a relative path.
public struct Revision: Hashable, Sendable, CustomStringConvertible {
    /// The branch every repository has.
    public static let main = Revision(unchecked: "main")

    /// The name as given.
    public let description: String

    /// Checks a name by git's rules for references.
    ///
    /// - Parameter text: The name of a branch, a tag, a pull request or a commit.
    /// - Throws: `HubError.invalidRevision`.
    public init(_ text: String) throws {
        let forbidden = Set(" ~^:?*[]\\\"'<>|%#".utf8)
        let hasGoodBytes = text.utf8.allSatisfy { $0 > 32 && $0 != 127 && !forbidden.contains($0) }
        let (dot, dash) = (UInt8(ascii: "."), UInt8(ascii: "-"))
        let hasGoodParts = RepoPath.parts(of: text).allSatisfy { part in
            !part.isEmpty && part.first != dot && part.first != dash && part.last != dot
                && !part.suffix(5).elementsEqual(".lock".utf8) && part.count <= 200
                && !zip(part, part.dropFirst()).contains { $0 == (dot, dot) }
        }
        guard (1...250).contains(text.utf8.count), hasGoodBytes, hasGoodParts, RepoPath.isPlain(text) else {
            throw HubError.invalidRevision(printable(text))
        }
        description = text
    }

    private init(unchecked text: String) { description = text }

    /// True for a full commit hash, which always means the same files.
    public var isCommit: Bool { isHex(description, count: 40) }
}

func isAlphanumeric(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
}

/// True for `count` lower-case hexadecimal digits.
func isHex(_ text: String, count: Int) -> Bool {
    text.utf8.count == count && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
}
