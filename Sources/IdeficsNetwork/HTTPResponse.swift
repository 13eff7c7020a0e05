// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// The status line and headers of an answer.
public struct HTTPResponseHead: Sendable, Equatable {
    /// The URL that gave this answer.
    public let url: String
    /// The status code.
    public let status: Int
    /// The header fields.
    public let headers: HTTPHeaders

    /// True for 200–299.
    public var isSuccess: Bool { (200...299).contains(status) }

    /// The number of bytes of the body: the value of `Content-Length`, unless that counts them before decoding.
    public var contentLength: Int64? {
        isCoded ? nil : headers["Content-Length"].flatMap { Int64($0) }.flatMap { $0 >= 0 ? $0 : nil }
    }

    /// The value of `Content-Encoding`, in lower case; empty without one.
    var coding: String { headers["Content-Encoding"]?.lowercased() ?? "" }

    /// Whether the body is sent in another form, which is undone on its way.
    var isCoded: Bool { !["", "identity", "none"].contains(coding) }
}

/// A whole answer.
public struct HTTPResponse: Sendable {
    /// The body, decoded if the server compressed it; empty if it went to a file.
    public let body: [UInt8]
    /// Status and headers of the answer.
    public let head: HTTPResponseHead
    /// Status and headers of the redirects that led here, first one first.
    public let redirects: [HTTPResponseHead]
    /// The URL that gave the answer, after redirects.
    public let finalURL: URL

    /// The status code.
    public var status: Int { head.status }
    /// The header fields.
    public var headers: HTTPHeaders { head.headers }

    /// This answer, if its status is 200–299.
    ///
    /// - Throws: `NetworkError.httpStatus` otherwise, with the start of the body if it is text.
    public func checked() throws -> HTTPResponse {
        guard head.isSuccess else {
            throw NetworkError.httpStatus(url: describe(head.url), status: status, message: message)
        }
        return self
    }

    /// The start of the body for a person to read: empty unless it is plain text or JSON.
    public var message: String {
        let type = headers["Content-Type"] ?? ""
        guard type.hasPrefix("text/plain") || type.hasPrefix("application/json") else { return "" }
        return printable(String(decoding: body.prefix(400), as: UTF8.self))
    }
}
