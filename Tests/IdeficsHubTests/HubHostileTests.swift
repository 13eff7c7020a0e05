// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsHTTPTestSupport
import IdeficsHub
import IdeficsTestSupport
import Testing

@Suite struct HubHostileTests {
    private func listing(_ name: String) -> String {
        let quoted = (try? JSONEncoder().encode(name)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return #"{"sha": "\#(TestHub.commit)", "siblings": [{"rfilename": \#(quoted)}]}"#
    }

    @Test(arguments: [
        "../evil.json", "/etc/evil.json", "a/../../evil.json", "a\\..\\evil.json", "..", "a//evil.json", "./evil.json",
        "a/./evil.json", "evil\0.json", "evil\n.json", "C:evil.json", "\(String(repeating: "x", count: 300)).json",
        "\(String(repeating: "x/", count: 600))evil.json", "a/..", "",
        // A slash or a dot that is one character of Swift with its neighbour.
        "a\u{600}/../../evil.json", "a/../\u{301}../evil.json", "a/\u{301}../../evil.json",
        "a\u{600}/../\u{600}/evil.json",
        "a/.\u{301}./evil.json", "a/..\u{FE0F}/evil.json", "\u{111C2}/evil.json", "a/\u{200D}evil.json",
        "\u{202E}evil.json", "a\u{2028}evil.json",
    ])
    func refusesFileNames(name: String) async throws {
        let listing = listing(name)
        let hub = try TestHub { $0.override = { _, _ in .text(listing) } }
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny", revision: "main", matching: ["*"]) { _ in }
            }
            guard case .invalidFileName? = error else { return #expect(error == nil, "unexpected error") }
        }
        #expect(hub.server.requests.count == 1)
    }

    @Test(arguments: ["../../evil", "a/b", "..", ".", "", "\"\"", "W/\"\"", "a b", "x.incomplete", ".x", "a\\b", "é"])
    func refusesEtags(etag: String) async throws {
        let hub = try TestHub {
            $0.listsBlobs = false
            $0.override = { request, reply in
                guard request.method == "HEAD" else { return reply }
                return Reply(headers: [("X-Repo-Commit", TestHub.commit), ("ETag", etag)])
            }
        }
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            switch error {
            case .invalidEtag, .badAnswer: break
            default: Issue.record("\(String(describing: error))")
            }
        }
    }

    @Test func otherEtagsAreCheckedBySizeOnly() async throws {
        let hub = try TestHub(["config.json": [1, 2, 3]]) {
            $0.listsBlobs = false
            $0.etags["config.json"] = "md5-abc"
        }
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("config.json") == [1, 2, 3])
        }
    }

    /// Servers that make ETags of date and size give one to several files.
    @Test func oneETagOfTwoFiles() async throws {
        let hub = try TestHub(["config.json": [1, 2, 3], "tokenizer.json": [4, 5, 6]]) {
            $0.listsBlobs = false
            $0.etags = ["config.json": "6543-3", "tokenizer.json": "6543-3"]
        }
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("config.json") == [1, 2, 3] && folder.bytes("tokenizer.json") == [4, 5, 6])
        }
    }

    @Test func otherCommitIsRefused() async throws {
        let hub = try TestHub { $0.listsBlobs = false }
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny", revision: TestHub.oldCommit)
            }
            guard case .badAnswer? = error else { return #expect(error == nil, "unexpected error") }
        }
    }

    @Test(arguments: [
        "", "[]", "null", "{}", #"{"sha": 1, "siblings": []}"#, #"{"sha": "main", "siblings": []}"#,
        #"{"sha": "../../../../../../../../../../../../etc", "siblings": []}"#,
        #"{"sha": "0123456789abcdef0123456789abcdef01234567"}"#,
        #"{"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": [{"rfilename": 1}]}"#,
        #"{"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": {"a": 1}}"#,
        String(repeating: "[", count: 100_000), "\u{0}\u{1}",
    ])
    func refusesBadListings(json: String) async throws {
        let hub = try TestHub { $0.override = { _, _ in .text(json) } }
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            guard case .badAnswer? = error else { return #expect(error == nil, "unexpected error") }
        }
    }

    @Test(arguments: [
        #"{"weight_map": {"a": "../../evil"}}"#, #"{"weight_map": {"a": "model-00009-of-00009.safetensors"}}"#,
        #"{"weight_map": {"a": 1}}"#, #"{"weight_map": []}"#, "{}", "", "nonsense",
    ])
    func refusesBadIndexes(json: String) async throws {
        let hub = try TestHub([
            "config.json": [1], "model-00001-of-00001.safetensors": [1],
            "model.safetensors.index.json": Array(json.utf8),
        ])
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            switch error {
            case .badFile, .invalidFileName, .missingShard: break
            default: Issue.record("\(String(describing: error))")
            }
        }
        #expect(hub.storage.requests.isEmpty)
    }

    @Test func fileInThePlaceOfAFolder() async throws {
        let hub = try TestHub(["a.json": [1], "a.json/b.json": [2]])
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny", revision: "main", matching: ["*"]) { _ in }
            }
            guard case .file? = error else { return #expect(error == nil, "unexpected error") }
        }
    }

    @Test func damagedTreesAreIgnored() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            _ = try await hub.client(cache: cache).download(id: "org/tiny", revision: TestHub.commit)
            let tree = cache.appending(path: "models--org--tiny/trees/\(TestHub.commit).json")
            let good = Array(try Data(contentsOf: tree))
            let offline = try hub.client(cache: cache) { $0.isOffline = true }
            for seed in 0..<300 {
                var random = SeededGenerator(seed: UInt64(seed))
                try Data(mutated(good, using: &random)).write(to: tree)
                do {
                    _ = try await offline.download(id: "org/tiny", revision: TestHub.commit)
                } catch is HubError {}
            }
        }
    }

    @Test func mutatedListingsOnlyThrow() async throws {
        let repo = try RepoId("org/tiny")
        let json =
            #"{"sha": "\#(TestHub.commit)", "siblings": [{"rfilename": "config.json", "size": 5, "blobId": "\#(String(repeating: "a", count: 40))"}, {"rfilename": "model.safetensors", "size": 9, "blobId": null, "lfs": {"sha256": "\#(String(repeating: "b", count: 64))", "size": 9}}]}"#
        var accepted = 0
        for seed in 0..<3000 {
            var random = SeededGenerator(seed: UInt64(seed))
            do {
                let listing = try RepoListing(hubAnswer: mutated(Array(json.utf8), using: &random), url: "u")
                accepted += 1
                #expect(listing.files.values.allSatisfy { ($0.size ?? 0) >= 0 })
                _ = FileSelection(["*"], from: listing.files.keys)
            } catch is HubError {}
        }
        #expect(accepted > 0)
        let index = Array(
            #"{"metadata": {"total_size": 1}, "weight_map": {"a.b": "model-1.safetensors", "c": "x/y"}}"#.utf8
        )
        for seed in 0..<3000 {
            var random = SeededGenerator(seed: UInt64(seed))
            do {
                _ = try FileSelection.shards(inIndex: mutated(index, using: &random), at: "i.json", repo: repo)
            } catch is HubError {}
        }
    }
}
