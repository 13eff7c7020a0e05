// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// Makes HTTP requests through libcurl, with limits on size, time, redirects and addresses.
///
/// Only http and https are spoken, also after redirects. `Authorization` and `Cookie` go to the origin (scheme, host
/// and port) of the first URL only. Each transfer blocks a thread of its own, never one of Swift's cooperative pool;
/// cancelling the task ends the transfer at once with `CancellationError`. Proxy settings of the environment
/// (`https_proxy`, `no_proxy`, …) are respected unless `HTTPLimits.allowPrivateAddresses` is false, where they would
/// hide the address that has to be checked.
public struct HTTPClient: Sendable {
    /// Which redirects are followed.
    public enum RedirectPolicy: Sendable {
        /// Every redirect, to any host.
        case all
        /// Redirects to the same scheme, host and port; another redirect is returned as the answer.
        case sameOrigin
        /// No redirect; it is returned as the answer.
        case none
    }

    /// Called on the transfer's thread with the bytes there are and, if known, the bytes there will be.
    public typealias ProgressHandler = @Sendable (_ completedBytes: Int64, _ totalBytes: Int64?) -> Void

    /// Handles with open connections, for the next request.
    private final class Pool: Sendable {
        private let idle = Locked<[CurlHandle]>([])

        func take() throws -> CurlHandle {
            try idle.withLock { $0.popLast() } ?? CurlHandle()
        }

        func put(_ handle: CurlHandle) {
            idle.withLock { if $0.count < 16 { $0.append(handle) } }
        }
    }

    private let userAgent: String
    private let pool = Pool()

    /// Makes a client; keep it, it keeps connections open.
    ///
    /// - Parameter userAgent: The `User-Agent` header sent with each request.
    public init(userAgent: String = "idefics-swift") {
        self.userAgent = userAgent
    }

    /// Gets a document into memory.
    ///
    /// Answers with an error status are returned, not thrown: see `HTTPResponse.checked()`.
    ///
    /// - Parameters:
    ///   - url: An http or https URL.
    ///   - headers: Fields to send.
    ///   - limits: Limits on size, time, redirects and addresses.
    /// - Returns: The answer after redirects.
    /// - Throws: `NetworkError`, or `CancellationError` if the task is cancelled.
    public func get(
        url: URL,
        headers: HTTPHeaders = [:],
        limits: HTTPLimits = .image
    ) async throws -> HTTPResponse {
        try await send(.get, url, headers, limits)
    }

    /// Gets status and headers only.
    ///
    /// - Parameters:
    ///   - url: An http or https URL.
    ///   - headers: Fields to send.
    ///   - limits: Limits on time, redirects and addresses.
    ///   - redirects: Which redirects are followed; the answers on the way are in `HTTPResponse.redirects`.
    /// - Returns: The answer, with an empty body.
    /// - Throws: `NetworkError`, or `CancellationError` if the task is cancelled.
    public func head(
        url: URL,
        headers: HTTPHeaders = [:],
        limits: HTTPLimits = .api,
        redirects: RedirectPolicy = .all
    ) async throws -> HTTPResponse {
        try await send(.head, url, headers, limits, redirects: redirects)
    }

    /// Gets a document into a file, which is synchronised to disk at the end.
    ///
    /// With an offset, the file's bytes before it stay and the rest is asked for; a server that ignores the range
    /// makes the file start over. After an error the file holds what arrived.
    ///
    /// - Parameters:
    ///   - url: An http or https URL.
    ///   - path: The file to write, created if needed.
    ///   - offset: First byte to get; at most the size of the file.
    ///   - headers: Fields to send.
    ///   - limits: Limits; the size limit is for the bytes sent this time.
    ///   - progress: Called with the file's size after each piece.
    /// - Returns: The answer, with an empty body.
    /// - Throws: `NetworkError` (`httpStatus` for a status outside 200–299, which leaves the file alone), or
    ///   `CancellationError` if the task is cancelled.
    @discardableResult
    public func download(
        url: URL,
        to path: String,
        resumeFrom offset: Int64 = 0,
        headers: HTTPHeaders = [:],
        limits: HTTPLimits = .download,
        progress: ProgressHandler? = nil
    ) async throws -> HTTPResponse {
        let sink = try FileSink(path: path, resumeFrom: offset, progress: progress)
        let response = try await stream(url: url, into: sink, offset: offset, headers: headers, limits: limits)
            .checked()
        try sink.finish()
        return response
    }

    /// Gets a document piece by piece.
    ///
    /// Answers with an error status are returned, not thrown, with the start of their body; `sink` sees nothing of them.
    ///
    /// - Parameters:
    ///   - url: An http or https URL.
    ///   - sink: Gets the body of a 2xx answer, on the transfer's thread.
    ///   - offset: First byte to ask for; `HTTPResponseHead.bodyOffset(requested:)` tells what the server made of it.
    ///   - headers: Fields to send.
    ///   - limits: Limits on size, time, redirects and addresses.
    /// - Returns: The answer, with an empty body if its status is 2xx.
    /// - Throws: `NetworkError`, what `sink` throws, or `CancellationError` if the task is cancelled.
    public func stream(
        url: URL,
        into sink: any HTTPBodySink,
        offset: Int64 = 0,
        headers: HTTPHeaders = [:],
        limits: HTTPLimits = .download
    ) async throws -> HTTPResponse {
        try await send(.get, url, headers, limits, offset: offset, sink: sink)
    }

    private func send(
        _ method: Transfer.Request.Method,
        _ url: URL,
        _ headers: HTTPHeaders,
        _ limits: HTTPLimits,
        redirects: RedirectPolicy = .all,
        offset: Int64 = 0,
        sink: (any HTTPBodySink)? = nil
    ) async throws -> HTTPResponse {
        let request = Transfer.Request(
            method: method,
            address: try WebAddress(url.absoluteString),
            headers: headers,
            limits: limits,
            redirects: redirects,
            offset: offset,
            userAgent: userAgent,
            sink: sink
        )
        try headers.validate()
        let handle = try pool.take()
        let transfer = Transfer(request, handle: handle)
        defer { pool.put(handle) }
        let outcome = try await withTaskCancellationHandler {
            try await onOwnThread { try transfer.run() }
        } onCancel: {
            transfer.cancel()
        }
        return HTTPResponse(
            body: outcome.body,
            head: outcome.head,
            redirects: outcome.hops,
            finalURL: URL(string: outcome.head.url) ?? url
        )
    }
}
