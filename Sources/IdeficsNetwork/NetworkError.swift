// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What went wrong with a request, with the address (without credentials or query) it happened at.
public enum NetworkError: Error, Equatable, Sendable {
    /// Which of the time limits was hit.
    public enum TimeLimit: String, Sendable {
        /// The connection (TCP and TLS) was not ready in time.
        case connect
        /// The whole request took too long.
        case total
        /// The transfer was slower than the lowest speed allowed.
        case lowSpeed
    }

    /// The text is not a URL that can be requested.
    case invalidURL(String, reason: String)
    /// A URL, or a redirect, uses something else than http or https.
    case schemeNotAllowed(url: String, scheme: String)
    /// A header's name or value holds characters that would change the request.
    case invalidHeader(name: String)
    /// The server's address is private, loopback or otherwise not public, and such addresses are not allowed.
    case addressNotAllowed(url: String, address: String)
    /// The host name has no address.
    case cannotResolve(url: String)
    /// No connection to the server (or proxy).
    case cannotConnect(url: String, reason: String)
    /// TLS failed: certificate, protocol or handshake.
    case tls(url: String, reason: String)
    /// A time limit was reached.
    case timedOut(url: String, limit: TimeLimit)
    /// More redirects than allowed.
    case tooManyRedirects(url: String, limit: Int)
    /// The body is larger than allowed.
    case bodyTooLarge(url: String, limit: Int64)
    /// The headers are larger than allowed.
    case headersTooLarge(url: String, limit: Int)
    /// The connection ended before the whole body arrived.
    case connectionLost(url: String, received: Int64, reason: String)
    /// The server answered a range request with another range.
    case badContentRange(url: String, value: String)
    /// The body is compressed in a way that was not asked for and cannot be undone, or is damaged.
    case badContentEncoding(url: String, coding: String)
    /// The server speaks something that is not HTTP, or HTTP with errors.
    case protocolViolation(url: String, reason: String)
    /// A status outside 200–299.
    case httpStatus(url: String, status: Int, message: String)
    /// The local file could not be opened, written or synchronised.
    case file(path: String, operation: String, reason: String)
}

extension NetworkError {
    /// True if the same request may succeed when it is repeated a little later.
    public var isTransient: Bool {
        switch self {
        case .cannotResolve, .cannotConnect, .timedOut, .connectionLost, .protocolViolation:
            true
        case .httpStatus(_, let status, _):
            status == 408 || status == 429 || (500...599).contains(status) && status != 501
        default:
            false
        }
    }
}

extension NetworkError: CustomStringConvertible {
    /// What happened, where, and what to do.
    public var description: String {
        switch self {
        case .invalidURL(let url, let reason):
            "invalid URL \(url): \(reason)"
        case .schemeNotAllowed(let url, let scheme):
            "\(url): scheme \(scheme) is not allowed; use http or https"
        case .invalidHeader(let name):
            "header \(name): name or value holds control characters; remove line breaks"
        case .addressNotAllowed(let url, let address):
            "\(url): address \(address) is not public and was refused; allow private addresses to reach it"
        case .cannotResolve(let url):
            "\(url): the host name has no address; check the name and the network connection"
        case .cannotConnect(let url, let reason):
            "\(url): cannot connect (\(reason)); check the network connection and proxy settings"
        case .tls(let url, let reason):
            "\(url): TLS failed (\(reason)); check the system's certificates and clock"
        case .timedOut(let url, let limit):
            switch limit {
            case .connect: "\(url): no connection within the time allowed"
            case .total: "\(url): not finished within the time allowed"
            case .lowSpeed: "\(url): the transfer was slower than the lowest speed allowed"
            }
        case .tooManyRedirects(let url, let limit):
            "\(url): more than \(limit) redirects"
        case .bodyTooLarge(let url, let limit):
            "\(url): the body is larger than \(limit) bytes"
        case .headersTooLarge(let url, let limit):
            "\(url): the headers are larger than \(limit) bytes"
        case .connectionLost(let url, let received, let reason):
            "\(url): connection lost after \(received) bytes (\(reason))"
        case .badContentRange(let url, let value):
            "\(url): the server answered with another range than asked for (\(value))"
        case .badContentEncoding(let url, let coding):
            "\(url): the server compressed the body unasked (Content-Encoding: \(coding)), and it cannot be decoded"
        case .protocolViolation(let url, let reason):
            "\(url): not valid HTTP (\(reason))"
        case .httpStatus(let url, let status, let message):
            "\(url): HTTP status \(status)" + (message.isEmpty ? "" : ": \(message)")
        case .file(let path, let operation, let reason):
            "\(path): cannot \(operation) (\(reason))"
        }
    }
}
