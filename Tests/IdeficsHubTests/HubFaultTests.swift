// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsHTTPTestSupport
import IdeficsHub
import IdeficsNetwork
import Testing

private func isWeights(_ request: TestServer.Request) -> Bool { request.path.hasPrefix("/storage/") }

/// Expects that nothing in the cache looks like finished weights.
private func expectNoWeights(_ cache: URL) {
    let repository = cache.appending(path: "models--org--tiny")
    #expect(repository.bytes("blobs/\(sha256(TestHub.weights))") == nil)
    #expect(repository.bytes("snapshots/\(TestHub.commit)/model.safetensors") == nil)
    #expect(repository.bytes("refs/main") == nil)
}

@Suite struct HubFaultTests {
    @Test func resumesAfterDrops() async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                var reply = reply
                if isWeights(request), request.index < 3 { reply.fault = .dropAfter(100_000) }
                return reply
            }
        }
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
        }
        let ranges = hub.storage.requests.map { $0.headers["range"] }
        #expect(ranges == [nil, "bytes=100000-", "bytes=200000-", "bytes=300000-"])
    }

    @Test func resumesWhatAnotherProcessLeft() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let blobs = cache.appending(path: "models--org--tiny/blobs")
            try FileManager.default.createDirectory(at: blobs, withIntermediateDirectories: true)
            let incomplete = blobs.appending(path: "\(sha256(TestHub.weights)).incomplete")
            try Data(TestHub.weights.prefix(399_999)).write(to: incomplete)
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
            #expect(!FileManager.default.fileExists(atPath: incomplete.path))
        }
        #expect(hub.storage.requests.map { $0.headers["range"] } == ["bytes=399999-"])
    }

    @Test func finishesWhatOnlyLackedTheName() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let blobs = cache.appending(path: "models--org--tiny/blobs")
            try FileManager.default.createDirectory(at: blobs, withIntermediateDirectories: true)
            try Data(TestHub.weights).write(to: blobs.appending(path: "\(sha256(TestHub.weights)).incomplete"))
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
        }
        #expect(hub.storage.requests.isEmpty)
    }

    @Test func startsOverAfterDamagedLeftovers() async throws {
        let hub = try TestHub()
        try await withFolder { cache in
            let blobs = cache.appending(path: "models--org--tiny/blobs")
            try FileManager.default.createDirectory(at: blobs, withIntermediateDirectories: true)
            try Data(repeating: 1, count: 1000).write(
                to: blobs.appending(path: "\(sha256(TestHub.weights)).incomplete")
            )
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
        }
        #expect(hub.storage.requests.map { $0.headers["range"] } == ["bytes=1000-", nil])
    }

    @Test func startsOverIfRangesAreIgnored() async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                guard isWeights(request) else { return reply }
                return Reply(body: TestHub.weights, fault: request.index == 0 ? .dropAfter(5000) : .none)
            }
        }
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
        }
        #expect(hub.storage.requests.count == 2)
    }

    @Test func startsOverAfterAnotherRange() async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                var reply = reply
                guard isWeights(request) else { return reply }
                if [0, 2].contains(request.index) { reply.fault = .dropAfter(5000) }
                if request.index == 1 { reply.headers = [("Content-Range", "bytes 0-9/10")] }
                if request.index == 3 { return Reply(416) }
                return reply
            }
        }
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
        }
    }

    @Test func damageOnceIsRepaired() async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                var reply = reply
                if isWeights(request), request.index == 0 { reply.body[1234] ^= 1 }
                return reply
            }
        }
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
        }
        #expect(hub.storage.requests.count == 2)
    }

    @Test func damageIsRefused() async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                var reply = reply
                if isWeights(request) { reply.body[1234] ^= 1 }
                return reply
            }
        }
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            guard case .checksumMismatch(_, "model.safetensors", sha256(TestHub.weights), _)? = error else {
                return #expect(error == nil, "unexpected error")
            }
            expectNoWeights(cache)
        }
    }

    @Test func damageOfSmallFilesIsRefused() async throws {
        let hub = try TestHub { $0.etags["config.json"] = String(repeating: "a", count: 40) }
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            guard case .checksumMismatch(_, "config.json", _, gitBlob(TestHub.model["config.json"] ?? []))? = error
            else {
                return #expect(error == nil, "unexpected error")
            }
        }
    }

    @Test func shortBodyIsRefused() async throws {
        let hub = try TestHub {
            $0.override = { isWeights($0) ? Reply(body: TestHub.weights.prefix(77)) : $1 }
        }
        try await withFolder { cache in
            await #expect(
                throws: HubError.sizeMismatch(repo: "org/tiny", file: "model.safetensors", expected: 400_000, found: 77)
            ) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            expectNoWeights(cache)
        }
    }

    @Test func endlessBodyIsRefused() async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                guard isWeights(request) else { return reply }
                var reply = Reply(body: TestHub.weights, fault: .endless)
                reply.contentLength = nil
                return reply
            }
        }
        try await withFolder { cache in
            await #expect(
                throws: HubError.sizeMismatch(
                    repo: "org/tiny",
                    file: "model.safetensors",
                    expected: 400_000,
                    found: nil
                )
            ) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            expectNoWeights(cache)
        }
    }

    @Test(arguments: [429, 500, 502, 503, 504])
    func repeatsAfterPassingErrors(status: Int) async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                request.index < 2 ? Reply(status, headers: [("Retry-After", "0")]) : reply
            }
        }
        try await withFolder { cache in
            let folder = try await hub.client(cache: cache).download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
        }
    }

    @Test func repeatsAfterSilenceAndRefusal() async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                var reply = reply
                if request.index == 0 { reply.fault = .silence }
                if request.index == 1 { reply.fault = .noAnswer }
                return reply
            }
        }
        try await withFolder { cache in
            let client = try hub.client(cache: cache) {
                $0.requestLimits.totalTimeout = .milliseconds(700)
                $0.downloadLimits.totalTimeout = .milliseconds(700)
            }
            let folder = try await client.download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
        }
    }

    @Test func givesUpAfterManyErrors() async throws {
        let hub = try TestHub { $0.override = { isWeights($0) ? .text("broken", status: 500) : $1 } }
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache) { $0.retry.maxAttempts = 3 }.download(id: "org/tiny")
            }
            guard case .network(.httpStatus(_, 500, "broken"))? = error else {
                return #expect(error == nil, "unexpected error")
            }
        }
        #expect(hub.storage.requests.count == 3)
    }

    @Test func longWaitsAreRefused() async throws {
        let hub = try TestHub { $0.override = { _, _ in Reply(429, headers: [("Retry-After", "3600")]) } }
        try await withFolder { cache in
            await #expect(throws: HubError.rateLimited(repo: "org/tiny", retryAfterSeconds: 3600)) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
        }
        #expect(hub.server.requests.count == 1)
    }

    @Test(arguments: [
        (401, "", HubError.unauthorized(repo: "org/tiny", hasToken: true)),
        (401, "GatedRepo", .forbidden(repo: "org/tiny", message: "why")),
        (403, "", .forbidden(repo: "org/tiny", message: "why")),
        (404, "RepoNotFound", .repositoryNotFound(repo: "org/tiny", hasToken: true)),
        (404, "RevisionNotFound", .revisionNotFound(repo: "org/tiny", revision: "v1")),
        (404, "", .revisionNotFound(repo: "org/tiny", revision: "v1")),
        (418, "", .network(.httpStatus(url: "", status: 418, message: "why"))),
    ])
    func namesTheReason(status: Int, code: String, expected: HubError) async throws {
        let hub = try TestHub {
            $0.override = { _, _ in Reply(status, headers: [("X-Error-Code", code), ("X-Error-Message", "why")]) }
        }
        try await withFolder { cache in
            let client = try hub.client(cache: cache) { $0.token = "t" }
            let error = await #expect(throws: HubError.self) {
                try await client.download(id: "org/tiny", revision: "v1")
            }
            if case .network(.httpStatus(_, 418, "why")) = error { return }
            #expect(error == expected)
        }
        #expect(hub.server.requests.count == 1)
    }

    @Test func namesMissingFiles() async throws {
        let hub = try TestHub { $0.override = { $0.path.hasSuffix("config.json") ? Reply(404) : $1 } }
        try await withFolder { cache in
            await #expect(throws: HubError.fileNotFound(repo: "org/tiny", file: "config.json")) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            await #expect(throws: HubError.noMatchingFiles(repo: "org/tiny", patterns: ["*.gguf"])) {
                try await hub.client(cache: cache).download(id: "org/tiny", revision: "main", matching: ["*.gguf"]) {
                    _ in
                }
            }
        }
    }

    @Test func concurrentDownloadsHappenOnce() async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                var reply = reply
                if isWeights(request) { reply.fault = .drip(bytes: 40_000, everyMilliseconds: 10) }
                return reply
            }
        }
        try await withFolder { cache in
            let one = try hub.client(cache: cache)
            let two = try hub.client(cache: cache)
            try await withThrowingTaskGroup { group in
                for client in [one, one, two, two] {
                    group.addTask {
                        let folder = try await client.download(id: "org/tiny")
                        #expect(folder.bytes("model.safetensors") == TestHub.weights)
                    }
                }
                try await group.waitForAll()
            }
        }
        #expect(hub.storage.requests.count == 1)
        #expect(hub.downloads(of: "config.json").count == 1)
    }

    @Test func cancellationKeepsWhatArrived() async throws {
        let hub = try TestHub {
            $0.override = { request, reply in
                var reply = reply
                if isWeights(request), request.index == 0 { reply.fault = .drip(bytes: 1000, everyMilliseconds: 20) }
                return reply
            }
        }
        try await withFolder { cache in
            let client = try hub.client(cache: cache)
            let arrived = Locked<Int64>(0)
            let task = Task {
                try await client.download(id: "org/tiny") { progress in
                    if progress.file == "model.safetensors" { arrived.withLock { $0 = progress.fileCompletedBytes } }
                }
            }
            while arrived.withLock({ $0 }) < 3000 { try await Task.sleep(for: .milliseconds(5)) }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            expectNoWeights(cache)
            let folder = try await client.download(id: "org/tiny")
            #expect(folder.bytes("model.safetensors") == TestHub.weights)
        }
        let range = try #require(hub.storage.requests.last?.headers["range"])
        #expect(range != "bytes=0-")
    }

    @Test(arguments: [Int64.max / 2, .max])
    func tooLittleDiskSpaceIsSaidBefore(size: Int64) async throws {
        let blobId = String(repeating: "a", count: 40)
        let siblings = ["config.json", "tokenizer.json", "tokenizer.model"]
            .map { #"{"rfilename": "\#($0)", "size": \#(size), "blobId": "\#(blobId)"}"# }
        let listing = #"{"sha": "\#(TestHub.commit)", "siblings": [\#(siblings.joined(separator: ", "))]}"#
        let hub = try TestHub { $0.override = { $0.path.contains("/api/") ? .text(listing) : $1 } }
        try await withFolder { cache in
            let error = await #expect(throws: HubError.self) {
                try await hub.client(cache: cache).download(id: "org/tiny")
            }
            guard case .notEnoughDiskSpace(_, .max, _)? = error else {
                return #expect(error == nil, "unexpected error")
            }
        }
        #expect(hub.server.requests.count == 1)
    }
}
