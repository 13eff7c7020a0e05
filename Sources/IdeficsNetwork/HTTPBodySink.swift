// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

/// Receives the body of a successful answer, piece by piece, on the transfer's own thread.
///
/// A sink is used by one transfer at a time. An error thrown by it ends the transfer and is thrown to the caller.
public protocol HTTPBodySink: Sendable {
    /// Called once, before the body, with the head of a 2xx answer.
    ///
    /// - Parameter head: Status and headers.
    /// - Throws: Anything that makes the body unwanted.
    func begin(_ head: HTTPResponseHead) throws

    /// Called with each piece of the body.
    ///
    /// - Parameter bytes: The piece, valid during the call only.
    /// - Throws: Anything that makes the rest unwanted.
    func write(_ bytes: UnsafeRawBufferPointer) throws
}

extension HTTPResponseHead {
    /// Where the body of this answer belongs in the file, after a request from `offset` on.
    ///
    /// - Parameter offset: First byte asked for.
    /// - Returns: `offset` for a 206 answer with that range, 0 if the server ignored the range.
    /// - Throws: `NetworkError.badContentRange` for any other range.
    public func bodyOffset(requested offset: Int64) throws -> Int64 {
        guard status == 206 else { return 0 }
        let value = headers["Content-Range"] ?? ""
        guard let range = ContentRange(value), range.first == offset else {
            throw NetworkError.badContentRange(url: describe(url), value: printable(value))
        }
        return offset
    }
}

/// The value `bytes FIRST-LAST/TOTAL` of a `Content-Range` header.
package struct ContentRange: Equatable, Sendable {
    /// First byte.
    package let first: Int64
    /// Last byte, inclusive.
    package let last: Int64
    /// Size of the whole, if the server knows it.
    package let total: Int64?

    /// Parses a header value; nil unless it is well-formed and consistent.
    package init?(_ value: String) {
        guard value.lowercased().hasPrefix("bytes ") else { return nil }
        let parts = value.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Self.number(ends[0]), let last = Self.number(ends[1]), first <= last else {
            return nil
        }
        if parts[1] == "*" {
            total = nil
        } else {
            guard let total = Self.number(parts[1]), last < total else { return nil }
            self.total = total
        }
        self.first = first
        self.last = last
    }

    private static func number(_ text: Substring) -> Int64? {
        text.utf8.allSatisfy { (48...57).contains($0) } ? Int64(text) : nil
    }
}
