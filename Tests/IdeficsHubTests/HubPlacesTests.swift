// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsHTTPTestSupport
import IdeficsHub
import IdeficsTestSupport
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Caches as they are found: of other users, on other disks, made by other software.
@Suite struct HubPlacesTests {
    private let files = FileManager.default

    /// A cache as other software leaves it: a branch, a snapshot of real files, no list of files.
    private func fill(_ cache: URL, _ names: [String], commit: String = TestHub.commit, ref: Bool = true) throws -> URL
    {
        let folder = cache.appending(path: "models--org--tiny")
        let snapshot = folder.appending(path: "snapshots/\(commit)", directoryHint: .isDirectory)
        try files.createDirectory(at: snapshot, withIntermediateDirectories: true)
        for name in names {
            try Data(TestHub.model[name] ?? [1, 2, 3]).write(to: snapshot.appending(path: name))
        }
        if ref {
            try files.createDirectory(at: folder.appending(path: "refs"), withIntermediateDirectories: true)
            try Data("\(commit)\r\n".utf8).write(to: folder.appending(path: "refs/main"))
        }
        return snapshot
    }

    private final class Notices: Sendable {
        let all = Locked<[String]>([])
        func hear(_ progress: HubProgress) {
            if let notice = progress.notice { all.withLock { $0.append(notice) } }
        }
    }

    /// Files are in the places of the folders for notes, which is as good as no permission, for root too.
    @Test func notesThatCannotBeWrittenAreNoError() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let snapshot = try fill(cache, ["config.json", "tokenizer.json", "model.safetensors"], ref: false)
            for name in ["trees", "refs", "blobs"] {
                try Data().write(to: cache.appending(path: "models--org--tiny/\(name)"))
            }
            try Data().write(to: cache.appending(path: ".locks"))
            #expect(try await hub.client(cache: cache).download(id: "org/tiny").path == snapshot.path)
            #expect(hub.downloads(of: "model.safetensors").isEmpty)
            // What has to be downloaded has to be written.
            try files.removeItem(at: snapshot.appending(path: "config.json"))
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            guard case .file? = error else { return #expect(error == nil, "unexpected error") }
        }
    }

    /// A cache that was copied without its blobs, or cleaned up: what is a link to nothing is missing, not absent.
    @Test(arguments: ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"])
    func contentThatIsGoneIsMissing(_ name: String) async throws {
        let names = ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"]
        var contents = TestHub.model
        contents["preprocessor_config.json"] = Array("{}".utf8)
        let hub = try TestHub(contents)
        try await withFolder { cache in
            let snapshot = try fill(cache, names)
            let link = snapshot.appending(path: name)
            try files.removeItem(at: link)
            try files.createSymbolicLink(atPath: link.path, withDestinationPath: "../../blobs/gone")
            let offline = try hub.client(cache: cache) { $0.isOffline = true }
            let error = await #expect(throws: HubError.self) { try await offline.download(id: "org/tiny") }
            guard case .offline(_, _, let missing)? = error else { return #expect(error == nil, "unexpected error") }
            #expect(missing == [name])
            #expect(try await hub.client(cache: cache).download(id: "org/tiny").path == snapshot.path)
            #expect(snapshot.bytes(name) == contents[name])
        }
    }

    /// An index of shards, and one of the shards.
    @Test(arguments: ["model.safetensors.index.json", "model-2.safetensors"])
    func shardsThatAreGoneAreMissing(_ name: String) async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let snapshot = try fill(
                cache,
                ["config.json", "tokenizer.json", "model-1.safetensors", "model-2.safetensors"]
            )
            let index = #"{"weight_map": {"a": "./model-1.safetensors", "b": "model-2.safetensors", "c": null}}"#
            try Data(index.utf8).write(to: snapshot.appending(path: "model.safetensors.index.json"))
            let offline = try hub.client(cache: cache) { $0.isOffline = true }
            #expect(try await offline.download(id: "org/tiny").path == snapshot.path)
            let link = snapshot.appending(path: name)
            try files.removeItem(at: link)
            try files.createSymbolicLink(atPath: link.path, withDestinationPath: "../../blobs/gone")
            let error = await #expect(throws: HubError.self) { try await offline.download(id: "org/tiny") }
            guard case .offline(_, _, let missing)? = error else { return #expect(error == nil, "unexpected error") }
            #expect(missing == [name])
        }
    }

    /// Nothing is waited for before anything is asked for.
    @Test func aPipeIsNoToken() throws {
        let folder = try TemporaryFolder()
        let pipe = folder.path("token")
        #expect(mkfifo(pipe, 0o600) == 0)
        for environment in [["HF_TOKEN_PATH": pipe], ["HF_HOME": folder.url.path]] {
            let error = #expect(throws: HubError.self) { try HubConfiguration(environment: environment) }
            #expect("\(String(describing: error.map { "\($0)" }))".contains("pipe"))
        }
        #expect(try HubConfiguration(environment: ["HF_TOKEN": "x", "HF_TOKEN_PATH": pipe]).token == "x")
        #expect(try HubConfiguration(environment: ["HF_TOKEN_PATH": "/dev/null"]).token == nil)
    }

    @Test func withoutSymbolicLinksFilesAreThereThemselves() async throws {
        let hub = try TestHub { $0.commit = TestHub.oldCommit }
        try await withFolder { cache in
            let client = try hub.client(cache: cache) { $0.usesSymbolicLinks = false }
            let old = try await client.download(id: "org/tiny")
            hub.change { $0.commit = TestHub.commit }
            let new = try await client.download(id: "org/tiny")
            for folder in [old, new] {
                let file = folder.appending(path: "model.safetensors")
                #expect(try files.attributesOfItem(atPath: file.path)[.type] as? FileAttributeType == .typeRegular)
                #expect(folder.bytes("model.safetensors") == TestHub.weights)
            }
            let offline = try hub.client(cache: cache) { $0.isOffline = true }
            #expect(try await offline.download(id: "org/tiny") == new)
        }
        #expect(try !HubConfiguration(environment: ["HF_HUB_DISABLE_SYMLINKS": "1"]).usesSymbolicLinks)
    }

    /// Blobs that other snapshots are linked to are copied, not moved away.
    @Test func sharedBlobsStay() async throws {
        let hub = try TestHub { $0.commit = TestHub.oldCommit }
        try await withFolder { cache in
            let old = try await hub.client(cache: cache).download(id: "org/tiny")
            hub.change { $0.commit = TestHub.commit }
            let client = try hub.client(cache: cache) { $0.usesSymbolicLinks = false }
            #expect(try await client.download(id: "org/tiny").bytes("model.safetensors") == TestHub.weights)
            #expect(old.bytes("model.safetensors") == TestHub.weights)
        }
    }

    @Test(arguments: [
        (FileSelection.adapter, ["adapter_config.json", "adapter_model.safetensors"], true),
        (FileSelection.adapter, ["adapter_config.json"], false),
        (FileSelection.model, ["config.json", "model.safetensors"], true),
        (FileSelection.model, ["config.json", "tokenizer.json"], false),
    ])
    func whatIsCachedIsUsedWhenTheHubIsNotReached(_ patterns: [String], _ names: [String], isWhole: Bool) async throws {
        let hub = try TestHub()
        hub.change { $0.override = { _, _ in Reply(503) } }
        try await withFolder { cache in
            let snapshot = try fill(cache, names)
            let notices = Notices()
            let client = try hub.client(cache: cache)
            func get() async throws -> URL {
                try await client.download(id: "org/tiny", revision: "main", matching: patterns) { notices.hear($0) }
            }
            if isWhole {
                #expect(try await get().path == snapshot.path)
                #expect(hub.server.requests.count == 1)
                #expect(notices.all.withLock(\.count) == 1)
            } else {
                await #expect(throws: HubError.self) { try await get() }
                #expect(hub.server.requests.count > 1)
            }
        }
    }

    @Test(arguments: [(401, "RepoNotFound"), (403, "GatedRepo"), (404, "RepoNotFound")])
    func whatIsCachedIsUsedWhenTheHubDoesNotTell(_ status: Int, _ code: String) async throws {
        let hub = try TestHub()
        hub.change { $0.override = { _, _ in Reply(status, headers: [("X-Error-Code", code)]) } }
        try await withFolder { cache in
            let snapshot = try fill(cache, ["config.json", "model.safetensors"])
            #expect(try await hub.client(cache: cache).download(id: "org/tiny").path == snapshot.path)
            try files.removeItem(at: snapshot.appending(path: "config.json"))
            await #expect(throws: HubError.self) { try await hub.client(cache: cache).download(id: "org/tiny") }
        }
    }

    /// A cache that lost what `main` means still has one snapshot; with two there is no telling.
    @Test func theOnlySnapshotIsMain() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let names = ["config.json", "model.safetensors"]
            let snapshot = try fill(cache, names, ref: false)
            let offline = try hub.client(cache: cache) { $0.isOffline = true }
            #expect(try await offline.download(id: "org/tiny").path == snapshot.path)
            _ = try fill(cache, names, commit: TestHub.oldCommit, ref: false)
            await #expect(throws: HubError.self) { try await offline.download(id: "org/tiny") }
        }
    }

    /// The cache's folders may lie on other disks; what a listing names may not lead out of a snapshot.
    @Test func linksLeadOutOnlyWhereUsersPutThem() async throws {
        let hub = try TestHub(["sub/a.json": [1, 2, 3]])
        try await withFolder { folder in
            let cache = folder.appending(path: "cache")
            let repository = cache.appending(path: "models--org--tiny")
            try files.createDirectory(at: folder.appending(path: "disk/blobs"), withIntermediateDirectories: true)
            try files.createDirectory(at: folder.appending(path: "disk/snapshots"), withIntermediateDirectories: true)
            try files.createDirectory(at: repository, withIntermediateDirectories: true)
            for name in ["blobs", "snapshots"] {
                try files.createSymbolicLink(
                    at: repository.appending(path: name),
                    withDestinationURL: folder.appending(path: "disk/\(name)")
                )
            }
            func get() async throws -> URL {
                try await hub.client(cache: cache).download(id: "org/tiny", revision: "main", matching: ["*"]) { _ in }
            }
            _ = try await get()
            #expect(try files.contentsOfDirectory(atPath: folder.path + "/disk/blobs").count == 1)
            let sub = folder.appending(path: "disk/snapshots/\(TestHub.commit)/sub")
            try files.removeItem(at: sub)
            let victim = folder.appending(path: "victim")
            try files.createDirectory(at: victim, withIntermediateDirectories: true)
            try Data([9]).write(to: victim.appending(path: "a.json"))
            try files.createSymbolicLink(at: sub, withDestinationURL: victim)
            await #expect(throws: HubError.self) { try await get() }
            #expect(victim.bytes("a.json") == [9])
        }
    }

    @Test func settingsAsPeopleWriteThem() throws {
        let environment = ["HOME": "/home/me", "DISK": "/disk"]
        func cache(_ value: String) throws -> String {
            try HubConfiguration(environment: environment.merging(["HF_HOME": value]) { $1 }).cacheDirectory.path
        }
        #expect(try cache("~/hf") == "/home/me/hf/hub")
        #expect(try cache("$DISK/hf") == "/disk/hf/hub")
        #expect(try cache("${DISK}/hf/") == "/disk/hf/hub")
        #expect(try cache("/a/$UNKNOWN/${b") == "/a/$UNKNOWN/${b/hub")
        for value in ["1", "true", "TRUE", "Yes", "on"] {
            #expect(try HubConfiguration(environment: ["HF_HUB_OFFLINE": value]).isOffline)
        }
        let configuration = try HubConfiguration(environment: [
            "HF_ENDPOINT": "https://hub.example//", "HF_TOKEN": "x\r\n",
        ])
        #expect(configuration.endpoint.absoluteString == "https://hub.example" && configuration.token == "x")
    }
}
