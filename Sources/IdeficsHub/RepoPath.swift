// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

/// Checks of names that come from a server, before they become paths.
enum RepoPath {
    /// Throws unless `name` is a relative path that stays below its folder on every system.
    static func validate(_ name: String, repo: RepoId) throws {
        let hasGoodParts = parts(of: name).allSatisfy { part in
            !part.isEmpty && part != [dot] && part != [dot, dot] && part.count <= 255
        }
        let isDrive = name.utf8.dropFirst().first == UInt8(ascii: ":")
        guard (1...1024).contains(name.utf8.count), isPlain(name), hasGoodParts, !isDrive else {
            throw HubError.invalidFileName(repo: repo.description, name: printable(name))
        }
    }

    private static let dot = UInt8(ascii: ".")

    /// The parts between slashes, as bytes, as the file system sees them: a character of Swift may be a slash together
    /// with what stands beside it.
    static func parts(of path: String) -> [[UInt8]] {
        path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { Array($0) }
    }

    /// Whether a name has no backslashes, control or invisible characters, and nothing that merges with a slash or dot
    /// before it into another character: such names are there to mislead.
    static func isPlain(_ name: String) -> Bool {
        let hasGoodScalars = name.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: false
            default: scalar != "\\"
            }
        }
        func count(_ byte: UInt8) -> Int { name.utf8.count { $0 == byte } }
        func count(_ character: Character) -> Int { name.count { $0 == character } }
        return hasGoodScalars && count(UInt8(ascii: "/")) == count("/") && count(dot) == count(".")
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

    /// The folder part with its slash, empty without one.
    static func folder(of path: String) -> String {
        path.utf8.contains(UInt8(ascii: "/")) ? Files.split(path).folder + "/" : ""
    }
}
