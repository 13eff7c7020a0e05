// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsHTTPTestSupport
import IdeficsHub
import Testing

@Suite struct HubClientTests {
    @Test func downloadsWhatAModelNeeds() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let client = try hub.client(cache: cache)
            let folder = try await client.download(id: "org/tiny")
            #expect(folder.path == cache.appending(path: "models--org--tiny/snapshots/\(TestHub.commit)").path)
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
            #expect(folder.bytes("config.json") == TestHub.model["config.json"])
            let id = try RepoId("org/tiny")
            #expect(client.cache.snapshotFiles(of: id) == ["config.json", "model.safetensors", "tokenizer.json"])
            #expect(client.cache.snapshot(of: id)?.path == folder.path)
        }
        #expect(hub.server.log.filter { $0.contains("/api/") }.count == 1)
        #expect(hub.server.requests.count == 4 && hub.storage.requests.count == 1)
    }

    @Test func cacheHasTheSharedLayout() async throws {
        let hub = try TestHub(TestHub.model.merging(["sub/dir/extra.json": [1, 2, 3]]) { $1 })
        try await withFolder { cache in
            let client = try hub.client(cache: cache)
            _ = try await client.download(id: "org/tiny", revision: "main", matching: ["*.json", "*.safetensors"]) {
                _ in
            }
            let repository = cache.appending(path: "models--org--tiny")
            func link(_ path: String) throws -> String {
                try FileManager.default.destinationOfSymbolicLink(
                    atPath: repository.appending(path: "snapshots/\(TestHub.commit)/\(path)").path
                )
            }
            #expect(try link("model.safetensors") == "../../blobs/\(sha256(TestHub.weights))")
            #expect(try link("sub/dir/extra.json") == "../../../../blobs/\(gitBlob([1, 2, 3]))")
            #expect(repository.bytes("refs/main") == Array(TestHub.commit.utf8))
            let blobs = try FileManager.default.contentsOfDirectory(atPath: repository.appending(path: "blobs").path)
            #expect(blobs.count == 4 && !blobs.contains { $0.contains("incomplete") })
            let tree = try JSONSerialization.jsonObject(
                with: Data(contentsOf: repository.appending(path: "trees/\(TestHub.commit).json"))
            )
            let entry = ((tree as? [String: Any])?["files"] as? [String: Any])?["config.json"] as? [String: Any]
            #expect(entry?["size"] as? Int == 25)
            let locks = try FileManager.default.contentsOfDirectory(
                atPath: cache.appending(path: ".locks/models--org--tiny").path
            )
            #expect(locks.sorted() == blobs.map { $0 + ".lock" }.sorted())
        }
    }

    @Test func knownCommitNeedsNoRequest() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let first = try await hub.client(cache: cache).download(id: "org/tiny", revision: TestHub.commit)
            #expect(!FileManager.default.fileExists(atPath: cache.appending(path: "models--org--tiny/refs").path))
            let requests = hub.server.requests.count
            let second = try await hub.client(cache: cache).download(id: "org/tiny", revision: TestHub.commit)
            #expect(first == second && hub.server.requests.count == requests)
            // A branch may have moved: one question.
            _ = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(hub.server.requests.count == requests + 1)
            // Other files of the known commit need no listing.
            _ = try await hub.client(cache: cache)
                .download(id: "org/tiny", revision: TestHub.commit, matching: ["README.md"]) { _ in }
            #expect(hub.server.log.last == "GET /org/tiny/resolve/\(TestHub.commit)/README.md")
            #expect(hub.server.requests.count == requests + 2)
        }
    }

    @Test func cacheOfOtherSoftwareNeedsNoRequest() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny", revision: TestHub.commit)
            try FileManager.default.removeItem(at: cache.appending(path: "models--org--tiny/trees"))
            let requests = hub.server.requests.count
            _ = try await hub.client(cache: cache).download(id: "org/tiny", revision: TestHub.commit)
            #expect(hub.server.requests.count == requests)
            try FileManager.default.removeItem(at: folder.appending(path: "tokenizer.json"))
            _ = try await hub.client(cache: cache).download(id: "org/tiny", revision: TestHub.commit)
            #expect(hub.server.requests.count == requests + 1)
            #expect(folder.bytes("tokenizer.json") == TestHub.model["tokenizer.json"])
        }
    }

    @Test func asksForEachFileIfTheListingDoesNotTell() async throws {
        let hub = try TestHub { $0.listsBlobs = false }
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
            let blobs = try FileManager.default.contentsOfDirectory(
                atPath: cache.appending(path: "models--org--tiny/blobs").path
            )
            #expect(blobs.contains(sha256(TestHub.weights)))
        }
        #expect(hub.server.requests.filter { $0.method == "HEAD" }.count == 3)
        #expect(hub.storage.requests.map(\.method) == ["GET"])
    }

    @Test(arguments: [true, false])
    func tokenGoesToTheHubOnly(listsBlobs: Bool) async throws {
        let hub = try TestHub { $0.listsBlobs = listsBlobs }
        try await withFolder { cache in
            _ = try await hub.client(cache: cache) { $0.token = "hf_secret" }.download(id: "org/tiny")
        }
        #expect(hub.server.requests.allSatisfy { $0.headers["authorization"] == "Bearer hf_secret" })
        #expect(hub.storage.requests.map { $0.headers["authorization"] } == [nil])
    }

    @Test func reportsProgress() async throws {
        let hub = try TestHub()
        let seen = Locked<[HubProgress]>([])
        try await withFolder { cache in
            _ = try await hub.client(cache: cache).download(id: "org/tiny") { progress in
                seen.withLock { $0.append(progress) }
            }
        }
        let values = seen.withLock { $0 }
        let total = Int64(TestHub.weights.count + 25 + 2)
        let last = try #require(values.last)
        #expect(last.completedBytes == total && last.totalBytes == total)
        #expect(last.completedFiles == 3 && last.totalFiles == 3 && last.phase == .finished)
        #expect(values.map(\.completedBytes) == values.map(\.completedBytes).sorted())
        let weights = values.filter { $0.file == "model.safetensors" }
        #expect(weights.contains { $0.phase == .verifying })
        #expect(weights.allSatisfy { $0.fileTotalBytes == Int64(TestHub.weights.count) })
    }

    @Test func pullRequestsAndBranchesWithSlashes() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            _ = try await hub.client(cache: cache).download(id: "org/tiny", revision: "refs/pr/1")
            #expect(cache.bytes("models--org--tiny/refs/refs/pr/1") == Array(TestHub.commit.utf8))
        }
        #expect(hub.server.log.first == "GET /api/models/org/tiny/revision/refs%2Fpr%2F1?blobs=true")
    }

    @Test func takesOnlyTheShardsOfTheIndex() async throws {
        let index =
            #"{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#
        let hub = try TestHub([
            "config.json": [1], "model.safetensors.index.json": Array(index.utf8),
            "model-00001-of-00002.safetensors": [1], "model-00002-of-00002.safetensors": [2],
            "model-00001-of-00009.safetensors": [3], "pytorch_model-00001-of-00001.bin": [4],
            "pytorch_model.bin.index.json": Array(#"{"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}"#.utf8),
        ])
        try await withFolder { cache in
            let client = try hub.client(cache: cache)
            _ = try await client.download(id: "org/tiny")
            #expect(
                client.cache.snapshotFiles(of: try RepoId("org/tiny")) == [
                    "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                    "model.safetensors.index.json",
                ]
            )
            let requests = hub.server.requests.count
            _ = try await client.download(id: "org/tiny", revision: TestHub.commit)
            #expect(hub.server.requests.count == requests)
        }
    }

    @Test func resolvesReferences() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let client = try hub.client(cache: cache)
            let folder = try await client.resolve(ModelReference("org/tiny@main"))
            #expect(folder.lastPathComponent == TestHub.commit)
            let local = try await client.resolve(ModelReference(cache.path))
            #expect(local.path == cache.path)
        }
    }
}

@Suite struct HubOfflineTests {
    @Test func offlineUsesTheCache() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let offline = try hub.client(cache: cache) { $0.isOffline = true }
            await #expect(throws: HubError.offline(repo: "org/tiny", revision: "main", missing: [])) {
                try await offline.download(id: "org/tiny")
            }
            #expect(hub.server.requests.isEmpty)
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            let requests = hub.server.requests.count
            #expect(try await offline.download(id: "org/tiny") == folder)
            try FileManager.default.removeItem(at: folder.appending(path: "tokenizer.json"))
            await #expect(throws: HubError.offline(repo: "org/tiny", revision: "main", missing: ["tokenizer.json"])) {
                try await offline.download(id: "org/tiny")
            }
            try FileManager.default.removeItem(at: cache.appending(path: "models--org--tiny/trees"))
            _ = try await offline.download(id: "org/tiny", revision: "main", matching: ["*.safetensors"]) { _ in }
            #expect(hub.server.requests.count == requests)
        }
    }

    @Test func unreachableHubLeavesTheCache() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            hub.change { $0.override = { _, _ in Reply(503) } }
            #expect(try await hub.client(cache: cache).download(id: "org/tiny") == folder)
            hub.server.stop()
            #expect(try await hub.client(cache: cache).download(id: "org/tiny") == folder)
            await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny", revision: "main", matching: ["README.md"]) {
                    _ in
                }
            }
        }
    }

    @Test func aFailedUpdateLeavesTheOldRevision() async throws {
        let hub = try TestHub { $0.commit = TestHub.oldCommit }
        try await withFolder { cache in
            let old = try await hub.client(cache: cache).download(id: "org/tiny")
            hub.change {
                $0.commit = TestHub.commit
                $0.files["config.json"] = [9]
                $0.override = { $0.path.hasSuffix("config.json") ? Reply(500) : $1 }
            }
            await #expect(throws: HubError.self) { try await hub.client(cache: cache).download(id: "org/tiny") }
            let offline = try hub.client(cache: cache) { $0.isOffline = true }
            #expect(try await offline.download(id: "org/tiny") == old)
            hub.change { $0.override = { $1 } }
            let new = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(new.lastPathComponent == TestHub.commit && new.bytes("config.json") == [9])
            #expect(hub.downloads(of: "model.safetensors").count == 2)  // the hub's redirect and the storage, once
        }
    }
}
