// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsHTTPTestSupport
import IdeficsTestSupport
import Testing

/// `--model ORG/NAME` against a hub on this machine.
@Suite struct DownloadCommandTests {
    static let commit = "0123456789abcdef0123456789abcdef01234567"

    /// A hub that has the tiny model as `org/tiny`.
    static func hub() throws -> TestServer {
        let folder = Fixtures.url("f7-e2e")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains(".") }
        let files = try Dictionary(
            uniqueKeysWithValues: names.map { ($0, Array(try Data(contentsOf: folder.appending(path: $0)))) }
        )
        return try TestServer { request in
            if request.path == "/api/models/org/tiny/revision/main" {
                let siblings = names.map { ["rfilename": $0] }
                let object: [String: Any] = ["id": "org/tiny", "sha": commit, "siblings": siblings]
                let json = (try? JSONSerialization.data(withJSONObject: object)) ?? Data()
                return Reply(headers: [("Content-Type", "application/json")], body: json)
            }
            let name = String(request.path.dropFirst("/org/tiny/resolve/\(commit)/".count))
            guard let bytes = files[name] else { return .text("no", status: 404) }
            var reply = Reply.file(bytes, for: request)
            reply.headers += [("X-Repo-Commit", commit), ("ETag", "\"\(name.filter { $0.isLetter })\"")]
            return reply
        }
    }

    @Test func modelsComeFromTheHubAndThenFromTheCache() throws {
        let hub = try Self.hub()
        let cache = try TemporaryFolder()
        var environment = ["HF_ENDPOINT": hub.url().absoluteString, "HF_HUB_CACHE": cache.url.path]
        let download = try idefics(["download", "--model", "org/tiny"], environment: environment)
        #expect(download.status == 0, "\(download.errors)")
        #expect(download.output == cache.path("models--org--tiny/snapshots/\(Self.commit)") + "\n")
        #expect(download.errors.contains("%"))
        hub.stop()
        environment["HF_HUB_OFFLINE"] = "1"
        let generate = try idefics(
            ["generate", "--model", "org/tiny", "Hello", "--max-new-tokens", "3", "--json"],
            environment: environment
        )
        #expect(generate.status == 0, "\(generate.errors)")
        let missing = try idefics(["download", "--model", "org/other"], environment: environment)
        #expect(missing.status != 0)
        #expect(missing.errors.contains("org/other"))
    }
}
