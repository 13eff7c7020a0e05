// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import IdeficsFoundation
internal import Synchronization

/// A request with its redirects, run to the end by the one thread that calls `run()`.
///
/// SAFETY: `@unchecked` because of the mutable state of the exchange, which only the thread in `run()` touches;
/// `cancel()` touches only the atomic flag and `CurlHandle.wake()`.
final class Transfer: @unchecked Sendable {
    /// What is asked for.
    struct Request: Sendable {
        enum Method: Sendable {
            case get
            case head
        }

        var method: Method
        var address: WebAddress
        var headers: HTTPHeaders
        var limits: HTTPLimits
        var redirects: HTTPClient.RedirectPolicy
        /// First byte wanted; 0 sends no range.
        var offset: Int64 = 0
        var userAgent: String
        /// Gets the body of a 2xx answer; nil collects every body in memory.
        var sink: (any HTTPBodySink)?
    }

    /// The last answer, the ones before it, and the body unless it went to the sink.
    struct Outcome: Sendable {
        var head: HTTPResponseHead
        var hops: [HTTPResponseHead]
        var body: [UInt8]
    }

    /// Bodies of redirects and errors: enough for a message, not worth more.
    private static let sideBodyLimit = 64 << 10
    private static let headerLimit = 256 << 10

    private let request: Request
    private let handle: CurlHandle
    private let isCancelled = Atomic(false)

    // State of the exchange under way.
    private var address: WebAddress
    private var status = 0
    private var headers = HTTPHeaders()
    private var headIsComplete = false
    private var headerBytes = 0
    private var destination = Destination.memory
    private var body: [UInt8] = []
    private var received: Int64 = 0
    private var refused: IPAddress?
    private var failure: (any Error)?
    private var didStopEarly = false

    private enum Destination {
        case sink(any HTTPBodySink)
        case memory
        /// Redirects and errors: the start is kept, the rest not waited for.
        case aside
    }

    init(_ request: Request, handle: CurlHandle) {
        self.request = request
        self.handle = handle
        address = request.address
    }

    /// Ends the transfer as soon as possible; from any thread.
    func cancel() {
        isCancelled.store(true, ordering: .relaxed)
        handle.wake()
    }

    /// Runs the request; blocks.
    func run() throws -> Outcome {
        let deadline = request.limits.totalTimeout.map { ContinuousClock.now + $0 }
        var hops: [HTTPResponseHead] = []
        while true {
            try exchange(deadline: deadline)
            let head = HTTPResponseHead(url: address.text, status: status, headers: headers)
            guard let next = try redirectTarget(of: head) else {
                return Outcome(head: head, hops: hops, body: body)
            }
            guard hops.count < request.limits.maxRedirects else {
                throw NetworkError.tooManyRedirects(url: url, limit: request.limits.maxRedirects)
            }
            hops.append(head)
            address = next
        }
    }

    private var url: String { describe(address.text) }
}

// MARK: - One exchange

extension Transfer {
    private func exchange(deadline: ContinuousClock.Instant?) throws {
        beginHead(status: 0)
        (body, received, refused, failure, didStopEarly) = ([], 0, nil, nil, false)
        headerBytes = 0

        let fields = fieldsToSend
        try fields.validate()
        try setOptions(deadline: deadline)
        // An empty value is sent as `Name;`: `Name:` would make curl leave the header out.
        let lines = fields.fields.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        // SAFETY: unowned is enough, the callbacks live no longer than the call below.
        let callbacks = CurlCallbacks(
            headerLine: { [unowned self] in receive(headerLine: $0) },
            body: { [unowned self] in receive(body: $0) },
            mayConnect: { [unowned self] in mayConnect(to: $0) }
        )
        let code = handle.perform(headers: lines, callbacks: callbacks) {
            isCancelled.load(ordering: .relaxed)
        }
        guard let code else { throw CancellationError() }
        if let failure { throw failure }
        if code != CURLE_OK, !didStopEarly { throw error(for: code, deadline: deadline) }
        guard headIsComplete else { throw NetworkError.protocolViolation(url: url, reason: "no status line") }
    }

    private var fieldsToSend: HTTPHeaders {
        var fields = request.headers
        if !address.hasSameOrigin(as: request.address) {
            for secret in ["Authorization", "Cookie", "Proxy-Authorization"] { fields[secret] = nil }
        }
        if request.offset > 0 { fields["Range"] = "bytes=\(request.offset)-" }
        return fields
    }

    private func setOptions(deadline: ContinuousClock.Instant?) throws {
        let limits = request.limits
        handle.reset()
        handle.set(CURLOPT_NOSIGNAL, 1)
        handle.set(CURLOPT_URL, address.text)
        handle.set(CURLOPT_PROTOCOLS_STR, "http,https")
        handle.set(CURLOPT_FOLLOWLOCATION, 0)
        handle.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        handle.set(CURLOPT_USERAGENT, request.userAgent)
        // Asks for no coding; what comes coded all the same (RFC 9110, 12.5.3 lets servers) is decoded on its way, and
        // the limits are on what it is decoded to.
        handle.set(CURLOPT_ACCEPT_ENCODING, "identity")
        handle.set(CURLOPT_NOBODY, request.method == .head ? 1 : 0)
        handle.set(CURLOPT_TCP_KEEPALIVE, 1)
        handle.set(CURLOPT_BUFFERSIZE, 256 << 10)
        handle.set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(limits.connectTimeout))
        handle.set(CURLOPT_LOW_SPEED_LIMIT, limits.lowSpeedBytesPerSecond)
        handle.set(CURLOPT_LOW_SPEED_TIME, max(1, Int(limits.lowSpeedTimeout.components.seconds)))
        if let deadline {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { throw NetworkError.timedOut(url: url, limit: .total) }
            handle.set(CURLOPT_TIMEOUT_MS, milliseconds(left))
        }
        if !limits.allowPrivateAddresses {
            // A proxy would hide the address, a connection kept from an unguarded request would skip the check.
            handle.set(CURLOPT_PROXY, "")
            handle.set(CURLOPT_FRESH_CONNECT, 1)
            handle.set(CURLOPT_FORBID_REUSE, 1)
        } else if address.isLoopback {
            // No proxy can reach this machine's own loopback interface.
            handle.set(CURLOPT_PROXY, "")
        }
    }

    /// curl reads 0 as "default": at least 1; and at most a day, so that no sum of its own overflows.
    private func milliseconds(_ duration: Duration) -> Int {
        let day: Int64 = 86_400
        let (seconds, attoseconds) = duration.components
        guard seconds < day else { return Int(day) * 1000 }
        return max(1, Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
    }

    private func mayConnect(to peer: IPAddress?) -> Bool {
        if request.limits.allowPrivateAddresses { return true }
        guard let peer, peer.isPublic else {
            refused = peer ?? refused ?? IPAddress(bytes: [0, 0, 0, 0])
            return false
        }
        return true
    }
}

// MARK: - What arrives

extension Transfer {
    private func beginHead(status: Int) {
        self.status = status
        headers = HTTPHeaders()
        headIsComplete = false
    }

    private func receive(headerLine line: UnsafeRawBufferPointer) -> Bool {
        // After the head come only trailers, which nobody needs; a trailer must not pass for a status line.
        if headIsComplete { return true }
        headerBytes += line.count
        if headerBytes > Self.headerLimit {
            failure = NetworkError.headersTooLarge(url: url, limit: Self.headerLimit)
            return false
        }
        let text = trimmed(String(decoding: line, as: UTF8.self))
        if text.isEmpty {
            if status < 200 { return true }  // 1xx: the real head follows
            headIsComplete = true
            do {
                try beginBody()
                return true
            } catch {
                failure = error
                return false
            }
        }
        if text.hasPrefix("HTTP/") {
            let code = text.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) } ?? 0
            beginHead(status: code)
        } else {
            headers.append(line: text)
        }
        return true
    }

    private func beginBody() throws {
        let head = HTTPResponseHead(url: address.text, status: status, headers: headers)
        if try redirectTarget(of: head) != nil || request.sink != nil && !head.isSuccess {
            destination = .aside
            return
        }
        if status == 206, head.isCoded {
            // A part of what was coded, which cannot be decoded by itself.
            throw NetworkError.badContentRange(url: url, value: "a part of a \(printable(head.coding)) body")
        }
        destination = request.sink.map { .sink($0) } ?? .memory
        if request.method == .get, let length = head.contentLength, length > request.limits.maxBytes {
            throw NetworkError.bodyTooLarge(url: url, limit: request.limits.maxBytes)
        }
        try request.sink?.begin(head)
    }

    private func receive(body piece: UnsafeRawBufferPointer) -> Bool {
        // 32-bit sizes cannot overflow here: a piece is at most BUFFERSIZE long, and the sum is bounded below.
        received += Int64(piece.count)
        do {
            switch destination {
            case .aside:
                body.append(contentsOf: piece.prefix(max(0, Self.sideBodyLimit - body.count)))
                didStopEarly = received > Int64(Self.sideBodyLimit)
                return !didStopEarly
            case .memory:
                try checkSize()
                body.append(contentsOf: piece)
            case .sink(let sink):
                try checkSize()
                try sink.write(piece)
            }
            return true
        } catch {
            failure = error
            return false
        }
    }

    private func checkSize() throws {
        if received > request.limits.maxBytes {
            throw NetworkError.bodyTooLarge(url: url, limit: request.limits.maxBytes)
        }
    }

    /// Where to go next; nil if this answer is the last one.
    private func redirectTarget(of head: HTTPResponseHead) throws -> WebAddress? {
        guard [301, 302, 303, 307, 308].contains(head.status), request.redirects != .none,
            let location = head.headers["Location"]
        else { return nil }
        let target = try WebAddress(location, relativeTo: address)
        if request.redirects == .sameOrigin, !target.hasSameOrigin(as: address) { return nil }
        return target
    }

    private func error(for code: CURLcode, deadline: ContinuousClock.Instant?) -> NetworkError {
        let reason = String(cString: curl_easy_strerror(code))
        switch code {
        case CURLE_OPERATION_TIMEDOUT:
            // curl rounds: its clock may reach the limit a little before ours.
            if let deadline, deadline <= .now + .milliseconds(50) { return .timedOut(url: url, limit: .total) }
            return .timedOut(url: url, limit: handle.didConnect ? .lowSpeed : .connect)
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            return .cannotResolve(url: url)
        case CURLE_COULDNT_CONNECT:
            if let refused { return .addressNotAllowed(url: url, address: refused.description) }
            return .cannotConnect(url: url, reason: reason)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS:
            return .tls(url: url, reason: reason)
        case CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING, CURLE_HTTP2,
            CURLE_HTTP2_STREAM, CURLE_HTTP3:
            return .connectionLost(url: url, received: received, reason: reason)
        case CURLE_BAD_CONTENT_ENCODING, CURLE_WRITE_ERROR:
            // Of gzip in several members, curl decodes the first and says it cannot write the rest; what cannot be
            // written here was told before.
            let head = HTTPResponseHead(url: address.text, status: status, headers: headers)
            guard code == CURLE_BAD_CONTENT_ENCODING || head.isCoded else {
                return .protocolViolation(url: url, reason: reason)
            }
            return .badContentEncoding(url: url, coding: printable(head.coding))
        case CURLE_URL_MALFORMAT:
            return .invalidURL(url, reason: reason)
        default:
            return .protocolViolation(url: url, reason: reason)
        }
    }
}
