// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsHTTPTestSupport
import IdeficsNetwork
import IdeficsTestSupport
import Testing

/// For a server on this machine, with limits that only a test that is about them reaches.
private let local = HTTPLimits(maxBytes: 1 << 20, totalTimeout: .seconds(60), allowPrivateAddresses: true)

extension HTTPLimits {
    fileprivate func with(_ change: (inout HTTPLimits) -> Void) -> HTTPLimits {
        var limits = self
        change(&limits)
        return limits
    }
}

@Suite struct HTTPClientTests {
    let client = HTTPClient()

    @Test func getsBodyStatusAndHeaders() async throws {
        let server = try TestServer { request in
            Reply(201, headers: [("X-Echo", request.headers["x-one"] ?? ""), ("x-echo", "second")], body: "hello".utf8)
        }
        let response = try await client.get(url: server.url("/a?b=c"), headers: ["X-One": "1"], limits: local)
        #expect(response.status == 201)
        #expect(String(decoding: response.body, as: UTF8.self) == "hello")
        #expect(response.headers["x-ECHO"] == "1")
        #expect(response.finalURL == server.url("/a?b=c"))
        #expect(server.log == ["GET /a?b=c"])
        #expect(server.requests[0].headers["user-agent"] == "idefics-swift")
        #expect(server.requests[0].headers["accept-encoding"] == "identity")
    }

    @Test func returnsErrorStatusAndChecks() async throws {
        let server = try TestServer { _ in .text("no such\u{1B}[31m thing", status: 404) }
        let response = try await client.get(url: server.url("/x?token=secret"), limits: local)
        #expect(response.status == 404)
        let message = "no such\\u{1b}[31m thing"
        #expect(throws: NetworkError.httpStatus(url: "\(server.url("/x"))", status: 404, message: message)) {
            try response.checked()
        }
    }

    @Test func headHasNoBody() async throws {
        let server = try TestServer { _ in .text("12345") }
        let response = try await client.head(url: server.url("/"))
        #expect(response.body.isEmpty)
        #expect(response.head.contentLength == 5)
        #expect(server.log == ["HEAD /"])
    }

    @Test func keepsConnectionsOpenOnlyWhenUnguarded() async throws {
        let server = try TestServer { _ in .text("x") }
        for _ in 0..<3 { _ = try await client.get(url: server.url("/"), limits: local) }
        #expect(server.requests.map(\.connection) == [0, 0, 0])
    }

    @Test func sendsEmptyHeaderValue() async throws {
        let server = try TestServer { .text($0.headers["x-empty"].map { "[\($0)]" } ?? "none") }
        let response = try await client.get(url: server.url("/"), headers: ["X-Empty": ""], limits: local)
        #expect(String(decoding: response.body, as: UTF8.self) == "[]")
    }

    @Test(arguments: [
        ("X-A", "1\r\nX-B: 2"), ("X-A", "1\nX-B: 2"), ("X-A\r\nX-B", "1"), ("X A", "1"), ("", "1"), ("X-A", "\0"),
        ("X-A:", "1"),
    ])
    func refusesHeaderInjection(name: String, value: String) async throws {
        let server = try TestServer { _ in .text("x") }
        let headers = HTTPHeaders(dictionaryLiteral: (name, value))
        await #expect(throws: NetworkError.self) {
            try await client.get(url: server.url("/"), headers: headers, limits: local)
        }
        #expect(server.requests.isEmpty)
    }

    @Test(arguments: [
        "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "data:text/plain,x", "HTTPX://a/",
    ])
    func refusesOtherSchemes(text: String) async throws {
        let url = try #require(URL(string: text))
        let error = await #expect(throws: NetworkError.self) { try await client.get(url: url, limits: local) }
        guard case .schemeNotAllowed = error else {
            guard case .invalidURL = error else { return #expect(error == nil, "unexpected error") }
            return
        }
    }

    @Test func reportsRefusedConnection() async throws {
        let server = try TestServer { _ in .text("x") }
        let url = server.url("/")
        server.stop()
        let error = await #expect(throws: NetworkError.self) { try await client.get(url: url, limits: local) }
        #expect(error?.isTransient == true)
    }

    @Test func hidesCredentialsInErrors() async throws {
        let server = try TestServer { _ in Reply(fault: .noAnswer) }
        let url = try #require(URL(string: "http://user:pass@127.0.0.1:\(server.port)/p?X-Amz-Signature=abc#f"))
        let error = await #expect(throws: NetworkError.self) { try await client.get(url: url, limits: local) }
        let text = try #require(error).description
        #expect(!text.contains("pass") && !text.contains("abc"))
        #expect(text.contains("http://127.0.0.1:\(server.port)/p"))
    }

    @Test func runsManyTransfersAtOnce() async throws {
        let server = try TestServer { .text($0.target) }
        try await withThrowingTaskGroup { group in
            for number in 0..<40 {
                group.addTask {
                    let response = try await client.get(url: server.url("/\(number)"), limits: local)
                    #expect(String(decoding: response.body, as: UTF8.self) == "/\(number)")
                }
            }
            try await group.waitForAll()
        }
        #expect(server.requests.count == 40)
    }
}

@Suite struct HTTPClientRedirectTests {
    let client = HTTPClient()

    @Test(arguments: [301, 302, 303, 307, 308])
    func followsRedirects(status: Int) async throws {
        let server = try TestServer {
            $0.path == "/end" ? .text("end") : .redirect("end?x=1", status: status)
        }
        let response = try await client.get(url: server.url("/start"), limits: local)
        #expect(String(decoding: response.body, as: UTF8.self) == "end")
        #expect(response.finalURL == server.url("/end?x=1"))
        #expect(response.redirects.map(\.status) == [status])
    }

    @Test func keepsAuthorizationOnTheSameOriginOnly() async throws {
        let other = try TestServer { .text($0.headers["authorization"] ?? "none") }
        let server = try TestServer { request in
            switch request.path {
            case "/same": .redirect("/echo")
            case "/port": .redirect("\(other.url("/echo"))")
            case "/host": .redirect("http://localhost:\(request.headers["host"]?.split(separator: ":")[1] ?? "")/echo")
            default: .text(request.headers["authorization"] ?? "none")
            }
        }
        for (path, expected) in [("/same", "Bearer t"), ("/port", "none"), ("/host", "none")] {
            let response = try await client.get(
                url: server.url(path),
                headers: ["authorization": "Bearer t", "X-Other": "kept"],
                limits: local
            )
            #expect(String(decoding: response.body, as: UTF8.self) == expected, "\(path)")
        }
        #expect(other.requests.map { $0.headers["x-other"] } == ["kept"])
    }

    @Test func stopsRedirectLoops() async throws {
        let server = try TestServer { .redirect("\($0.path)x") }
        await #expect(throws: NetworkError.self) {
            try await client.get(url: server.url("/"), limits: local)
        }
        #expect(server.requests.count == local.maxRedirects + 1)
    }

    @Test(arguments: ["file:///etc/passwd", "ftp://127.0.0.1/", "javascript:alert(1)", "http://", "http://[::1", ""])
    func refusesRedirectTo(location: String) async throws {
        let server = try TestServer { _ in .redirect(location) }
        let error = await #expect(throws: NetworkError.self) {
            let response = try await client.get(url: server.url("/"), limits: local)
            throw NetworkError.httpStatus(url: "", status: response.status, message: "")
        }
        #expect(error?.isTransient == false)
        #expect(server.requests.count == 1)
    }

    @Test func returnsRedirectsItMayNotFollow() async throws {
        let other = try TestServer { _ in .text("other") }
        let server = try TestServer {
            $0.path == "/renamed" ? .redirect("/file", status: 307) : .redirect("\(other.url("/cdn"))")
        }
        let same = try await client.head(url: server.url("/renamed"), redirects: .sameOrigin)
        #expect(same.status == 302)
        #expect(same.headers["Location"] == "\(other.url("/cdn"))")
        #expect(same.redirects.map(\.status) == [307])
        let none = try await client.head(url: server.url("/renamed"), redirects: .none)
        #expect(none.status == 307)
        #expect(other.requests.isEmpty)
    }

    @Test func endlessRedirectBodyIsNotWaitedFor() async throws {
        let server = try TestServer { request in
            if request.path == "/end" { return .text("end") }
            var reply = Reply.redirect("/end")
            reply.body = [UInt8](repeating: 120, count: 16384)
            reply.contentLength = nil
            reply.fault = .endless
            return reply
        }
        let response = try await client.get(url: server.url("/"), limits: local)
        #expect(String(decoding: response.body, as: UTF8.self) == "end")
    }
}

@Suite struct HTTPClientLimitTests {
    let client = HTTPClient()

    @Test func refusesDeclaredSize() async throws {
        let server = try TestServer { _ in
            var reply = Reply(body: [1, 2, 3], fault: .silence)
            reply.contentLength = "99999999"
            reply.fault = .dropAfter(3)
            return reply
        }
        await #expect(throws: NetworkError.bodyTooLarge(url: "\(server.url("/"))", limit: 1 << 20)) {
            try await client.get(url: server.url("/"), limits: local)
        }
    }

    @Test func refusesEndlessBody() async throws {
        let server = try TestServer { _ in
            var reply = Reply(body: [UInt8](repeating: 0, count: 65536), fault: .endless)
            reply.contentLength = nil
            return reply
        }
        await #expect(throws: NetworkError.bodyTooLarge(url: "\(server.url("/"))", limit: 1 << 20)) {
            try await client.get(url: server.url("/"), limits: local)
        }
    }

    @Test func refusesEndlessHeaders() async throws {
        let server = try TestServer { _ in Reply(fault: .endlessHeaders) }
        await #expect(throws: NetworkError.headersTooLarge(url: "\(server.url("/"))", limit: 256 << 10)) {
            try await client.get(url: server.url("/"), limits: local)
        }
    }

    @Test func reportsDroppedBody() async throws {
        let server = try TestServer { _ in Reply(body: [UInt8](repeating: 1, count: 1000), fault: .dropAfter(400)) }
        let error = await #expect(throws: NetworkError.self) {
            try await client.get(url: server.url("/"), limits: local)
        }
        guard case .connectionLost(_, 400, _)? = error else { return #expect(error == nil, "unexpected error") }
        #expect(error?.isTransient == true)
    }

    @Test func totalTimeEndsASlowBody() async throws {
        let server = try TestServer { _ in
            Reply(body: [UInt8](repeating: 1, count: 1000), fault: .drip(bytes: 1, everyMilliseconds: 50))
        }
        let limits = local.with {
            $0.totalTimeout = .milliseconds(300)
        }
        await #expect(throws: NetworkError.timedOut(url: "\(server.url("/"))", limit: .total)) {
            try await client.get(url: server.url("/"), limits: limits)
        }
    }

    @Test func totalTimeSpansRedirects() async throws {
        let server = try TestServer {
            var reply = Reply.redirect($0.path + "x")
            reply.fault = .drip(bytes: 1, everyMilliseconds: 40)
            return reply
        }
        let limits = local.with {
            $0.totalTimeout = .milliseconds(500)
            $0.maxRedirects = 1000
        }
        await #expect(throws: NetworkError.self) {
            try await client.get(url: server.url("/"), limits: limits)
        }
        #expect(server.requests.count < 100)
    }

    @Test func lowSpeedEndsASilentServer() async throws {
        let server = try TestServer { _ in Reply(fault: .silence) }
        let limits = local.with {
            $0.lowSpeedTimeout = .seconds(1)
        }
        await #expect(throws: NetworkError.timedOut(url: "\(server.url("/"))", limit: .lowSpeed)) {
            try await client.get(url: server.url("/"), limits: limits)
        }
    }

    @Test func cancellationEndsTheTransfer() async throws {
        let server = try TestServer { _ in Reply(fault: .silence) }
        let task = Task { try await client.get(url: server.url("/"), limits: local) }
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func cancelledTaskSendsNothing() async throws {
        let server = try TestServer { _ in .text("x") }
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await client.get(url: server.url("/"), limits: local)
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(server.requests.isEmpty)
    }

    @Test(arguments: [
        "", "\r\n\r\n", "HTTP/1.1\r\n\r\n", "GARBAGE\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 999999 X\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ])
    func survivesBrokenHTTP(answer: String) async throws {
        let server = try TestServer { _ in Reply(fault: .raw(Array(answer.utf8))) }
        _ = try? await client.get(url: server.url("/"), limits: local)
        #expect(server.requests.count >= 1)
    }

    @Test func survivesMutatedHTTP() async throws {
        let seed = Array(
            "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"
                .utf8
        )
        let server = try TestServer { request in
            var random = SeededGenerator(seed: UInt64(request.index))
            var bytes = seed
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            return Reply(fault: .raw(bytes))
        }
        let limits = local.with {
            $0.totalTimeout = .seconds(2)
        }
        for _ in 0..<300 { _ = try? await client.get(url: server.url("/"), limits: limits) }
        #expect(server.requests.count >= 300)
    }

    @Test func trailersAreNotHeaders() async throws {
        let answer =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
            + "2\r\nok\r\n0\r\nHTTP/1.1 302 Found: x\r\nLocation: file:///etc/passwd\r\n\r\n"
        let server = try TestServer { _ in Reply(fault: .raw(Array(answer.utf8))) }
        let response = try await client.get(url: server.url("/"), limits: local)
        #expect(response.status == 200)
        #expect(response.headers["Location"] == nil)
    }
}
