// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// An answer of `TestServer`, and how it goes wrong.
public struct Reply: Sendable {
    /// What goes wrong while the answer is sent.
    public enum Fault: Sendable {
        /// Nothing.
        case none
        /// The connection is closed after so many bytes of the body.
        case dropAfter(Int)
        /// The body comes in pieces with pauses.
        case drip(bytes: Int, everyMilliseconds: Int32)
        /// The body, repeated without end.
        case endless
        /// Header lines without end.
        case endlessHeaders
        /// The connection is closed before any answer.
        case noAnswer
        /// No answer while the client waits.
        case silence
        /// Exactly these bytes, then the connection is closed.
        case raw([UInt8])
    }

    /// The status code.
    public var status: Int
    /// Header fields to send besides `Content-Length`.
    public var headers: [(name: String, value: String)]
    /// The body.
    public var body: [UInt8]
    /// The value of `Content-Length`; nil sends none.
    public var contentLength: String?
    /// What goes wrong.
    public var fault: Fault

    /// An answer.
    ///
    /// - Parameters:
    ///   - status: The status code.
    ///   - headers: Header fields besides `Content-Length`.
    ///   - body: The body.
    ///   - fault: What goes wrong.
    public init(
        _ status: Int = 200,
        headers: [(name: String, value: String)] = [],
        body: some Sequence<UInt8> = [],
        fault: Fault = .none
    ) {
        self.status = status
        self.headers = headers
        self.body = Array(body)
        self.fault = fault
        contentLength = String(self.body.count)
    }

    /// A text.
    ///
    /// - Parameters:
    ///   - text: The body.
    ///   - status: The status code.
    /// - Returns: The answer.
    public static func text(_ text: String, status: Int = 200) -> Reply {
        Reply(status, headers: [("Content-Type", "text/plain")], body: text.utf8)
    }

    /// A redirect.
    ///
    /// - Parameters:
    ///   - location: The value of `Location`.
    ///   - status: The status code.
    /// - Returns: The answer.
    public static func redirect(_ location: String, status: Int = 302) -> Reply {
        Reply(status, headers: [("Location", location)], body: "Moved".utf8)
    }

    /// A file, or the part of it the request asks for.
    ///
    /// - Parameters:
    ///   - bytes: The whole file.
    ///   - request: The request, for its range.
    /// - Returns: The answer, with status 206 for a part and 416 beyond the end.
    public static func file(_ bytes: [UInt8], for request: TestServer.Request) -> Reply {
        guard let range = request.headers["range"], range.hasPrefix("bytes="), range.hasSuffix("-"),
            let first = Int(range.dropFirst(6).dropLast())
        else { return Reply(body: bytes) }
        guard first < bytes.count else {
            return Reply(416, headers: [("Content-Range", "bytes */\(bytes.count)")])
        }
        return Reply(
            206,
            headers: [("Content-Range", "bytes \(first)-\(bytes.count - 1)/\(bytes.count)")],
            body: bytes[first...]
        )
    }

    /// Sends it; false if the connection is to be closed.
    func send(over connection: Connection, isHead: Bool) -> Bool {
        switch fault {
        case .noAnswer: return false
        case .raw(let bytes):
            _ = connection.send(bytes)
            return false
        case .silence:
            while !connection.clientCloses(within: 1000) {}
            return false
        default: break
        }
        var head = "HTTP/1.1 \(status) Status\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if case .endlessHeaders = fault {
            guard connection.send(head.utf8) else { return false }
            let line = Array("X-Filler: \(String(repeating: "x", count: 1000))\r\n".utf8)
            while connection.send(line) {}
            return false
        }
        var body = body
        var mustClose = contentLength == nil
        if let contentLength { head += "Content-Length: \(contentLength)\r\n" }
        guard connection.send((head + "\r\n").utf8) else { return false }
        if isHead { return !mustClose }

        switch fault {
        case .dropAfter(let count):
            body = Array(body.prefix(count))
            mustClose = true
        case .drip(let count, let milliseconds):
            var rest = body[...]
            while !rest.isEmpty {
                guard connection.send(rest.prefix(count)), !connection.clientCloses(within: milliseconds) else {
                    return false
                }
                rest = rest.dropFirst(count)
            }
            return !mustClose
        case .endless:
            while connection.send(body) {}
            return false
        default: break
        }
        return connection.send(body) && !mustClose
    }
}
