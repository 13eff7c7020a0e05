// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// How names of files that are not UTF-8 travel in strings and URLs.
///
/// To Linux a name is bytes, and images out of old archives have names in Latin-1 or Shift-JIS. A byte that is not part
/// of UTF-8 becomes the scalar U+10FE00 + byte, of a plane for private use (the idea of Python's `surrogateescape`); where
/// a file is opened it becomes the byte again. ``printable(_:limit:)`` shows such scalars as U+FFFD.
package enum PathBytes {
    /// Scalars that stand for the bytes 0x80 to 0xFF.
    private static let escapes: ClosedRange<UInt32> = 0x10FE80...0x10FEFF

    /// Whether `scalar` stands for a byte.
    package static func isEscape(_ scalar: Unicode.Scalar) -> Bool { escapes.contains(scalar.value) }

    /// The text for `bytes`, from which ``bytes(of:)`` makes the same bytes again.
    package static func string(_ bytes: some Collection<UInt8>) -> String {
        if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: isEscape) {
            return text
        }
        var result = String.UnicodeScalarView()
        var index = bytes.startIndex
        while index < bytes.endIndex {
            var parser = Unicode.UTF8.ForwardParser()
            var rest = bytes[index...].makeIterator()
            if case .valid(let encoded) = parser.parseScalar(from: &rest) {
                let scalar = Unicode.UTF8.decode(encoded)
                let end = bytes.index(index, offsetBy: encoded.count)
                // Scalars of the private plane that really are in a name are taken byte by byte, so that they come back.
                if isEscape(scalar) {
                    result.append(contentsOf: bytes[index..<end].compactMap(escape))
                } else {
                    result.append(scalar)
                }
                index = end
            } else {
                if let scalar = escape(bytes[index]) { result.append(scalar) }
                index = bytes.index(after: index)
            }
        }
        return String(result)
    }

    /// The bytes that `text` stands for.
    package static func bytes(of text: String) -> [UInt8] {
        guard text.utf8.contains(0xF4) else { return Array(text.utf8) }
        var result: [UInt8] = []
        for scalar in text.unicodeScalars {
            if isEscape(scalar) {
                result.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                result += UTF8.encode(scalar).map(Array.init) ?? []
            }
        }
        return result
    }

    /// `text` for reading: bytes that are not UTF-8 as U+FFFD, which is what a prompt or a message holds.
    package static func repaired(_ text: String) -> String {
        text.utf8.contains(0xF4) ? String(decoding: bytes(of: text), as: UTF8.self) : text
    }

    private static func escape(_ byte: UInt8) -> Unicode.Scalar? {
        byte < 0x80 ? Unicode.Scalar(byte) : Unicode.Scalar(escapes.lowerBound - 0x80 + UInt32(byte))
    }
}

// MARK: - What the system says

extension PathBytes {
    /// The arguments of the process, without the name of the program.
    package static var arguments: [String] {
        let count = Int(CommandLine.argc)
        return (1..<max(1, count)).compactMap { CommandLine.unsafeArgv[$0].map { string(cString: $0) } }
    }

    /// The environment of the process.
    package static var environment: [String: String] {
        var result = ProcessInfo.processInfo.environment
        // Foundation repairs what is not UTF-8.
        for (name, value) in result where value.contains("\u{FFFD}") {
            if let bytes = getenv(name) { result[name] = string(cString: bytes) }
        }
        return result
    }

    /// The folder the process works in; `/` when it was removed.
    package static var currentDirectory: String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return string(cString: path)
    }

    /// The text for a name the C library gives.
    package static func string(cString: UnsafePointer<CChar>) -> String {
        string(UnsafeRawBufferPointer(start: cString, count: strlen(cString)))
    }
}

extension String {
    /// Calls `body` with the path as system calls take it.
    ///
    /// A path with a NUL names no file; `body` is then given the empty path, which none has either.
    package func withSystemPath<Result>(_ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
        var bytes = PathBytes.bytes(of: self)
        if bytes.contains(0) { bytes = [] }
        return try (bytes.map(CChar.init(bitPattern:)) + [0]).withUnsafeBufferPointer { buffer in
            // SAFETY: there is at least the NUL.
            try body(buffer.baseAddress.unsafelyUnwrapped)
        }
    }
}

extension URL {
    /// The file at `path`; a relative one begins at the folder the process works in, whatever the bytes of its name.
    ///
    /// For `URL(filePath:)`, which takes that folder's name for UTF-8.
    package init(localPath path: String, isDirectory: Bool = false) {
        let hint: DirectoryHint = isDirectory ? .isDirectory : .inferFromPath
        let folder = PathBytes.currentDirectory
        if path.utf8.first == UInt8(ascii: "/") || !folder.unicodeScalars.contains(where: PathBytes.isEscape) {
            self.init(filePath: path, directoryHint: hint)
        } else {
            self.init(filePath: "\(folder)/\(path)", directoryHint: hint)
        }
    }

    /// The file at this machine that the `file:` URL `text` names; nil if it is none.
    ///
    /// What is percent-encoded is bytes, which need not be UTF-8.
    package init?(localFileURL text: String) {
        let scheme = "file:"
        guard text.prefix(scheme.count).lowercased() == scheme else { return nil }
        var rest = PathBytes.bytes(of: text).dropFirst(scheme.utf8.count)
        for start in ["//localhost/", "///"] where rest.starts(with: start.utf8) {
            rest = rest.dropFirst(start.utf8.count - 1)
        }
        guard rest.first == UInt8(ascii: "/"), rest.dropFirst().first != UInt8(ascii: "/") else { return nil }
        var bytes: [UInt8] = []
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            let code = String(validating: digits, as: UTF8.self).flatMap { UInt8($0, radix: 16) }
            if byte == UInt8(ascii: "%"), digits.count == 2, let code {
                bytes.append(code)
                rest.removeFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        self.init(localPath: PathBytes.string(bytes))
    }

    /// Calls `body` with the path as system calls take it.
    package func withSystemPath<Result>(_ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
        try path.withSystemPath(body)
    }
}
