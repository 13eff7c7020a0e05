// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsHash
package import IdeficsFoundation

/// A running SHA-256.
package struct SHA256 {
    private var context = idf_sha256_context()

    /// An empty hash; `portable` leaves the CPU's SHA instructions unused.
    package init(portable: Bool = false) { idf_sha256_init(&context, portable ? 1 : 0) }

    /// Adds bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        idf_sha256_update(&context, bytes.baseAddress, bytes.count)
    }

    /// The digest of what was added, as 64 lower-case hexadecimal digits.
    package consuming func hexDigest() -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        idf_sha256_final(&context, &digest)
        return hex(digest)
    }
}

/// A running SHA-1.
package struct SHA1 {
    private var context = idf_sha1_context()

    /// An empty hash.
    package init() { idf_sha1_init(&context) }

    /// Adds bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        idf_sha1_update(&context, bytes.baseAddress, bytes.count)
    }

    /// The digest of what was added, as 40 lower-case hexadecimal digits.
    package consuming func hexDigest() -> String {
        var digest = [UInt8](repeating: 0, count: 20)
        idf_sha1_final(&context, &digest)
        return hex(digest)
    }
}

private func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".unicodeScalars)
    var text = ""
    for byte in bytes {
        text.unicodeScalars.append(digits[Int(byte >> 4)])
        text.unicodeScalars.append(digits[Int(byte & 15)])
    }
    return text
}

/// What an ETag of the hub says about the content.
package enum ContentDigest: Equatable, Sendable {
    /// Large files: SHA-256 of the content.
    case sha256(String)
    /// Small files: the name git gives the content, SHA-1 of `blob SIZE\0` and the content.
    case gitBlob(String)
    /// An ETag of another server, which says nothing.
    case unknown

    /// What the normalised ETag says.
    package init(etag: String) {
        if isHex(etag, count: 64) {
            self = .sha256(etag)
        } else if isHex(etag, count: 40) {
            self = .gitBlob(etag)
        } else {
            self = .unknown
        }
    }

    /// The same digest of the whole file; nil if unknown.
    package func compute(over file: FileWriter) throws -> String? {
        switch self {
        case .sha256:
            var hash = SHA256()
            try Self.forEachPiece(of: file) { hash.update($0) }
            return hash.hexDigest()
        case .gitBlob:
            var hash = SHA1()
            Array("blob \(try file.size())\0".utf8).withUnsafeBytes { hash.update($0) }
            try Self.forEachPiece(of: file) { hash.update($0) }
            return hash.hexDigest()
        case .unknown:
            return nil
        }
    }

    private static func forEachPiece(of file: FileWriter, _ body: (UnsafeRawBufferPointer) -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        var position: Int64 = 0
        while true {
            let count = try file.read(buffer, at: position)
            if count == 0 { return }
            body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            position += Int64(count)
        }
    }
}
