// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import IdeficsFoundation

/// What an ETag of the hub says about the content.
package enum ContentDigest: Equatable, Sendable {
    /// Large files: SHA-256 of the content.
    case sha256(String)
    /// Small files: the name git gives the content, SHA-1 of `blob SIZE\0` and the content.
    case gitBlob(String)
    /// An ETag of another server, which says nothing.
    case unknown

    /// What the normalized ETag says.
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
        let digest: MessageDigest
        switch self {
        case .sha256:
            digest = MessageDigest(.sha256)
        case .gitBlob:
            digest = MessageDigest(.sha1)
            Array("blob \(try file.size())\0".utf8).withUnsafeBytes { digest.update($0) }
        case .unknown:
            return nil
        }
        try Self.forEachPiece(of: file) { digest.update($0) }
        return try digest.hexDigest()
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
