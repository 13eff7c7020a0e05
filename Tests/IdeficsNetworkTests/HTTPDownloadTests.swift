// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsHTTPTestSupport
import IdeficsNetwork
import Testing

@Suite struct HTTPDownloadTests {
    let client = HTTPClient()
    let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

    /// Calls `body` with the path of a file that does not exist, in a folder that is removed afterwards.
    private func withFile<R>(_ body: (String) async throws -> R) async throws -> R {
        let folder = FileManager.default.temporaryDirectory.appending(path: "idefics-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await body(folder.appending(path: "file").path)
    }

    @Test func writesTheFileAndReportsProgress() async throws {
        let server = try TestServer { [content] in .file(content, for: $0) }
        let seen = Locked<[Int64]>([])
        try await withFile { path in
            try await client.download(url: server.url("/f"), to: path) { done, total in
                #expect(total == 300_000)
                seen.withLock { $0.append(done) }
            }
            #expect(FileManager.default.contents(atPath: path) == Data(content))
        }
        let values = seen.withLock { $0 }
        #expect(values.first == 0 && values.last == 300_000 && values == values.sorted())
    }

    @Test func resumesWithTheRestOnly() async throws {
        let server = try TestServer { [content] request in
            var reply = Reply.file(content, for: request)
            if request.index == 0 { reply.fault = .dropAfter(100_000) }
            return reply
        }
        try await withFile { path in
            await #expect(throws: NetworkError.self) { try await client.download(url: server.url("/f"), to: path) }
            let size = try #require(FileManager.default.contents(atPath: path)).count
            #expect(size == 100_000)
            let response = try await client.download(url: server.url("/f"), to: path, resumeFrom: Int64(size))
            #expect(response.status == 206)
            #expect(FileManager.default.contents(atPath: path) == Data(content))
        }
        #expect(server.requests.map { $0.headers["range"] } == [nil, "bytes=100000-"])
    }

    @Test func startsOverIfTheRangeIsIgnored() async throws {
        let server = try TestServer { [content] _ in Reply(body: content) }
        try await withFile { path in
            try Data(repeating: 9, count: 500_000).write(to: URL(filePath: path))
            try await client.download(url: server.url("/f"), to: path, resumeFrom: 400_000)
            #expect(FileManager.default.contents(atPath: path) == Data(content))
        }
    }

    @Test(arguments: [
        "", "bytes 0-9/10", "bytes 6-9/10", "bytes 5-4/10", "bytes 5-x/10", "bytes 5-10/10", "items 5-9/10",
    ])
    func refusesAnotherRange(value: String) async throws {
        let server = try TestServer { _ in Reply(206, headers: [("Content-Range", value)], body: [1, 2, 3, 4, 5]) }
        try await withFile { path in
            try Data(repeating: 9, count: 5).write(to: URL(filePath: path))
            await #expect(throws: NetworkError.badContentRange(url: "\(server.url("/f"))", value: value)) {
                try await client.download(url: server.url("/f"), to: path, resumeFrom: 5)
            }
            #expect(FileManager.default.contents(atPath: path) == Data(repeating: 9, count: 5))
        }
    }

    @Test func errorStatusLeavesTheFileAlone() async throws {
        let server = try TestServer { _ in .text("gone", status: 410) }
        try await withFile { path in
            try Data([1, 2, 3]).write(to: URL(filePath: path))
            await #expect(throws: NetworkError.httpStatus(url: "\(server.url("/f"))", status: 410, message: "gone")) {
                try await client.download(url: server.url("/f"), to: path, resumeFrom: 3)
            }
            #expect(FileManager.default.contents(atPath: path) == Data([1, 2, 3]))
        }
    }

    @Test func reportsUnusableFiles() async throws {
        let server = try TestServer { _ in .text("x") }
        try await withFile { path in
            await #expect(throws: NetworkError.self) {
                try await client.download(url: server.url("/f"), to: path + "/missing/folder")
            }
            await #expect(throws: NetworkError.self) {
                try await client.download(url: server.url("/f"), to: path, resumeFrom: 1)
            }
        }
        #expect(server.requests.isEmpty)
    }
}
