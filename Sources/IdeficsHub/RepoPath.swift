// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

/// Checks of names that come from a server, before they become paths.
enum RepoPath {
    /// Throws unless `name` is a relative path that stays below its folder on every system.
    static func validate(_ name: String, repo: RepoId) throws {
        let hasGoodBytes = name.utf8.allSatisfy { $0 >= 32 && $0 != 127 && $0 != UInt8(ascii: "\\") }
        let hasGoodParts = name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
            !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 255
        }
        let isDrive = name.dropFirst().first == ":"
        guard (1...1024).contains(name.utf8.count), hasGoodBytes, hasGoodParts, !isDrive else {
            throw HubError.invalidFileName(repo: repo.description, name: printable(name))
        }
    }

    /// The ETag without quotes and weakness mark, safe as a file name.
    static func normalizedEtag(_ value: String, file: String) throws -> String {
        var text = Substring(value)
        if text.hasPrefix("W/") { text = text.dropFirst(2) }
        if text.hasPrefix("\""), text.hasSuffix("\""), text.utf8.count >= 2 { text = text.dropFirst().dropLast() }
        let hasGoodBytes = text.utf8.allSatisfy { isAlphanumeric($0) || "-_.+=".utf8.contains($0) }
        guard (1...200).contains(text.utf8.count), hasGoodBytes, !text.hasPrefix("."), !text.hasSuffix(".incomplete")
        else { throw HubError.invalidEtag(file: printable(file), etag: printable(value)) }
        return String(text)
    }

    /// Percent-encodes all but unreserved characters; `/` stays if `keepsSlash`.
    static func percentEncoded(_ text: String, keepsSlash: Bool) -> String {
        var result = ""
        for byte in text.utf8 {
            if isAlphanumeric(byte) || "-_.~".utf8.contains(byte) || keepsSlash && byte == UInt8(ascii: "/") {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }

    /// The folder part with its slash, and the name.
    static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return ("", path) }
        return (String(path[...slash]), String(path[path.index(after: slash)...]))
    }
}
