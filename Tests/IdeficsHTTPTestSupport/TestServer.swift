// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import IdeficsFoundation

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// An HTTP/1.1 server on the loopback interface for tests: each connection has a thread, each answer may go wrong.
public final class TestServer: Sendable {
    /// What a client asked for.
    public struct Request: Sendable {
        /// `GET`, `HEAD`, ….
        public let method: String
        /// Path and query as sent.
        public let target: String
        /// Header fields, names in lower case.
        public let headers: [String: String]
        /// Number of the connection it came over, from 0.
        public let connection: Int
        /// Number of the request, from 0, in the order of arrival.
        public let index: Int

        /// The target without the query.
        public var path: String { String(target.prefix { $0 != "?" }) }
    }

    /// Answers one request; called on the connection's thread.
    public typealias Handler = @Sendable (Request) -> Reply

    private let core: Core

    /// Starts a server on an ephemeral port.
    ///
    /// - Parameter handler: Answers each request.
    /// - Throws: `POSIXError` if no socket can be opened.
    public init(_ handler: @escaping Handler) throws {
        core = try Core(handler: handler)
        let core = core
        Thread.detachNewThread { core.acceptLoop() }
    }

    deinit { core.stop() }

    /// The port it listens on.
    public var port: Int { core.port }

    /// `http://127.0.0.1:PORT` and the path.
    ///
    /// - Parameters:
    ///   - path: Path and query.
    ///   - host: A name of the loopback interface.
    /// - Returns: The URL.
    public func url(_ path: String = "", host: String = "127.0.0.1") -> URL {
        guard let url = URL(string: "http://\(host):\(port)\(path)") else { preconditionFailure("bad path \(path)") }
        return url
    }

    /// Every request so far.
    public var requests: [Request] { core.state.withLock { $0.requests } }

    /// Requests so far, as `METHOD target`.
    public var log: [String] { requests.map { "\($0.method) \($0.target)" } }

    /// Stops listening and closes every connection.
    public func stop() { core.stop() }
}

/// The sockets, shared with the threads.
private final class Core: Sendable {
    struct State {
        var requests: [TestServer.Request] = []
        var open: Set<Int32> = []
        var connections = 0
        var isStopped = false
    }

    let state = Locked(State())
    let port: Int
    private let listener: Int32
    private let handler: TestServer.Handler

    init(handler: @escaping TestServer.Handler) throws {
        self.handler = handler
        #if canImport(Darwin)
        let type = SOCK_STREAM
        #else
        let type = Int32(SOCK_STREAM.rawValue)
        #endif
        listener = socket(AF_INET, type, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard listener >= 0, bound else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    func stop() {
        // Shut down and close happen under the lock: a descriptor closed by its thread may belong to somebody else.
        state.withLock { state in
            guard !state.isStopped else { return }
            state.isStopped = true
            for descriptor in state.open { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
            _ = shutdown(listener, Int32(SHUT_RDWR))
        }
    }

    func acceptLoop() {
        while true {
            let descriptor = accept(listener, nil, nil)
            let code = errno
            let number = state.withLock { state -> Int? in
                guard !state.isStopped, descriptor >= 0 else { return nil }
                state.open.insert(descriptor)
                state.connections += 1
                return state.connections - 1
            }
            guard let number else {
                if descriptor >= 0 { close(descriptor) }
                if descriptor < 0, [EINTR, ECONNABORTED, EMFILE, ENFILE].contains(code) { continue }
                break
            }
            Thread.detachNewThread { [self] in
                serve(Connection(descriptor), number: number)
                state.withLock {
                    _ = $0.open.remove(descriptor)
                    _ = close(descriptor)
                }
            }
        }
        state.withLock {
            $0.isStopped = true
            _ = close(listener)
        }
    }

    private func serve(_ connection: Connection, number: Int) {
        var one: Int32 = 1
        setsockopt(connection.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        while let lines = connection.readHead() {
            let words = lines[0].split(separator: " ")
            guard words.count == 3 else { return }
            var headers: [String: String] = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                guard parts.count == 2 else { continue }
                headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
            }
            let request = state.withLock { state in
                let request = TestServer.Request(
                    method: String(words[0]),
                    target: String(words[1]),
                    headers: headers,
                    connection: number,
                    index: state.requests.count
                )
                state.requests.append(request)
                return request
            }
            guard handler(request).send(over: connection, isHead: request.method == "HEAD") else { return }
        }
    }
}

/// One accepted socket.
final class Connection {
    let descriptor: Int32
    private var pending: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The lines of the next request's head, or nil at the end.
    func readHead() -> [String]? {
        while true {
            if let end = pending.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = String(decoding: pending[..<end.lowerBound], as: UTF8.self)
                pending.removeSubrange(..<end.upperBound)
                return head.components(separatedBy: "\r\n")
            }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0, pending.count < 1 << 20 else { return nil }
            pending += chunk[..<count]
        }
    }

    /// Sends all bytes; false if the client has gone.
    func send(_ bytes: some Collection<UInt8>) -> Bool {
        #if canImport(Darwin)
        let flags: Int32 = 0
        #else
        let flags = Int32(MSG_NOSIGNAL)
        #endif
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            #if canImport(Glibc)
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) }
            #elseif canImport(Musl)
            let count = rest.withUnsafeBytes { Musl.send(descriptor, $0.baseAddress, $0.count, flags) }
            #else
            let count = rest.withUnsafeBytes { Darwin.send(descriptor, $0.baseAddress, $0.count, flags) }
            #endif
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Waits up to `milliseconds` for the client to close; true if it did.
    func clientCloses(within milliseconds: Int32) -> Bool {
        var descriptors = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptors, 1, milliseconds) > 0 else { return false }
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK)) <= 0
    }
}
