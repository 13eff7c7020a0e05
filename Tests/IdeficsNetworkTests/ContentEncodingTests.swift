// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsHTTPTestSupport
import IdeficsNetwork
import IdeficsTestSupport
import Testing

/// Servers that compress without being asked.
@Suite struct ContentEncodingTests {
    static let text = Array("hello, world".utf8)
    static let gzip: [UInt8] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 205, 201, 201, 215, 81, 40, 207, 47, 202, 73, 1, 0, 58, 114, 171, 255,
        12, 0, 0, 0,
    ]
    static let deflate: [UInt8] = [
        120, 156, 203, 72, 205, 201, 201, 215, 81, 40, 207, 47, 202, 73, 1, 0, 29, 84, 4, 137,
    ]
    /// 100000 zeros.
    static let bomb: [UInt8] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 237, 193, 49, 1, 0, 0, 0, 194, 160, 245, 79, 109, 13, 15, 160, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 87, 3, 125, 149, 17, 212, 160, 134, 1, 0,
    ]
    let limits = HTTPLimits(maxBytes: 1000, allowPrivateAddresses: true)

    private func server(_ coding: String, _ body: [UInt8], status: Int = 200) throws -> TestServer {
        try TestServer { _ in Reply(status, headers: [("Content-Encoding", coding)], body: body) }
    }

    @Test func noCodingIsAskedFor() async throws {
        let server = try TestServer { _ in .text("a") }
        _ = try await HTTPClient().get(url: server.url(), limits: limits)
        #expect(server.requests.first?.headers["accept-encoding"] == "identity")
    }

    @Test(arguments: [("gzip", gzip), ("GZIP", gzip), ("x-gzip", gzip), ("deflate", deflate), ("identity", text)])
    func bodiesAreDecoded(_ coding: String, _ body: [UInt8]) async throws {
        let server = try server(coding, body)
        #expect(try await HTTPClient().get(url: server.url(), limits: limits).body == Self.text)
        let folder = try TemporaryFolder()
        try await HTTPClient().download(url: server.url(), to: folder.path("a"), limits: limits)
        #expect(try Data(contentsOf: folder.url.appending(path: "a")) == Data(Self.text))
    }

    /// The limit is on what comes out.
    @Test func bombsAreRefused() async throws {
        let server = try server("gzip", Self.bomb)
        await #expect(throws: NetworkError.bodyTooLarge(url: server.url("/").absoluteString, limit: 1000)) {
            try await HTTPClient().get(url: server.url(), limits: limits)
        }
    }

    @Test(arguments: ["zip-of-tomorrow", "gzip"]) func whatCannotBeDecodedIsNamed(_ coding: String) async throws {
        let server = try server(coding, Self.text)
        await #expect(throws: NetworkError.badContentEncoding(url: server.url("/").absoluteString, coding: coding)) {
            try await HTTPClient().get(url: server.url(), limits: limits)
        }
    }

    /// RFC 1952 allows several members, which curl does not decode: that is said at once, and as what it is.
    @Test func severalMembersAreNoFaultOfTheServer() async throws {
        let server = try server("gzip", Self.gzip + Self.gzip)
        let error = NetworkError.badContentEncoding(url: server.url("/").absoluteString, coding: "gzip")
        #expect(!error.isTransient)
        await #expect(throws: error) { try await HTTPClient().get(url: server.url(), limits: limits) }
        let folder = try TemporaryFolder()
        await #expect(throws: error) {
            try await HTTPClient().download(url: server.url(), to: folder.path("a"), limits: limits)
        }
    }

    /// Bytes in the middle of something compressed are none of the file's.
    @Test func partsAreNotDecoded() async throws {
        let server = try TestServer { _ in
            let range = ("Content-Range", "bytes 5-11/12")
            return Reply(206, headers: [("Content-Encoding", "gzip"), range], body: Self.gzip)
        }
        let folder = try TemporaryFolder()
        try folder.write(Array(Self.text.prefix(5)), "a")
        let error = await #expect(throws: NetworkError.self) {
            try await HTTPClient().download(url: server.url(), to: folder.path("a"), resumeFrom: 5, limits: limits)
        }
        guard case .badContentRange? = error else { return #expect(error == nil, "unexpected error") }
        #expect(try Data(contentsOf: folder.url.appending(path: "a")).count == 5)
    }
}
