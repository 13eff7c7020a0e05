// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsHTTPTestSupport
import IdeficsHub
import IdeficsTestSupport

/// A hub on this machine with one repository, `org/tiny`, and its storage at another origin.
final class TestHub: Sendable {
    static let commit = "0123456789abcdef0123456789abcdef01234567"
    static let oldCommit = "fedcba9876543210fedcba9876543210fedcba98"

    /// How the hub behaves.
    struct Script: Sendable {
        var files: [String: [UInt8]]
        /// Whether the listing tells sizes and digests (`?blobs=true`).
        var listsBlobs = true
        /// Replaces an answer of the hub (or, for paths below `/storage/`, of the storage); nil leaves it.
        var override: @Sendable (TestServer.Request, Reply) -> Reply = { $1 }
        /// Says another digest than the content has.
        var etags: [String: String] = [:]
        var commit = TestHub.commit
    }

    let server: TestServer
    let storage: TestServer
    private let script: Box

    init(_ files: [String: [UInt8]] = TestHub.model, _ change: (inout Script) -> Void = { _ in }) throws {
        var initial = Script(files: files)
        change(&initial)
        let box = Box(initial)
        storage = try TestServer { request in
            let script = box.script
            let name = request.path.dropFirst("/storage/".count).removingPercentEncoding ?? ""
            let reply = script.files[name].map { Reply.file($0, for: request) } ?? .text("no", status: 404)
            return script.override(request, reply)
        }
        let storageURL = storage.url("/storage/").absoluteString
        server = try TestServer { request in
            let script = box.script
            return script.override(request, script.answer(request, storageURL))
        }
        script = box
    }

    func change(_ body: (inout Script) -> Void) { script.mutex.withLock { body(&$0) } }

    private final class Box: Sendable {
        let mutex: Locked<Script>
        init(_ script: Script) { mutex = Locked(script) }
        var script: Script { mutex.withLock { $0 } }
    }

    /// A client of this hub that repeats at once.
    func client(cache: URL, _ change: (inout HubConfiguration) -> Void = { _ in }) throws -> HubClient {
        var configuration = try HubConfiguration(environment: [
            "HF_ENDPOINT": server.url().absoluteString, "HF_HUB_CACHE": cache.path, "HOME": cache.path,
        ])
        configuration.retry.initialDelay = .milliseconds(1)
        configuration.retry.maxDelay = .milliseconds(5)
        change(&configuration)
        return HubClient(configuration: configuration)
    }

    /// Requests for a file's content, to the hub or the storage.
    func downloads(of file: String) -> [TestServer.Request] {
        (server.requests + storage.requests).filter { $0.method == "GET" && $0.path.hasSuffix("/" + file) }
    }

    static let weights = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 73 &+ $0 >> 7) }

    static let model: [String: [UInt8]] = [
        "config.json": Array(#"{"model_type": "idefics"}"#.utf8),
        "tokenizer.json": Array("{}".utf8),
        "README.md": Array("# Tiny".utf8),
        "model.safetensors": weights,
        "pytorch_model.bin": Array(weights.prefix(1000)),
    ]

    static func isLarge(_ name: String) -> Bool { name.hasSuffix(".safetensors") || name.hasSuffix(".bin") }
}

extension TestHub.Script {
    func etag(_ name: String) -> String {
        if let etag = etags[name] { return etag }
        let bytes = files[name] ?? []
        if TestHub.isLarge(name) { return sha256(bytes) }
        return gitBlob(bytes)
    }

    fileprivate func answer(_ request: TestServer.Request, _ storage: String) -> Reply {
        if request.path.hasPrefix("/api/models/org/tiny/revision/") { return listing() }
        let prefix = "/org/tiny/resolve/\(commit)/"
        guard request.path.hasPrefix(prefix) else {
            return Reply(404, headers: [("X-Error-Code", "RepoNotFound")])
        }
        let name = request.path.dropFirst(prefix.count).removingPercentEncoding ?? ""
        guard let bytes = files[name] else { return Reply(404, headers: [("X-Error-Code", "EntryNotFound")]) }
        let size = String(bytes.count)
        if TestHub.isLarge(name) {
            var reply = Reply.redirect(storage + name + "?signature=x")
            reply.headers += [
                ("X-Repo-Commit", commit), ("X-Linked-Etag", "\"\(etag(name))\""), ("X-Linked-Size", size),
                ("ETag", "\"something-else\""),
            ]
            return reply
        }
        var reply = Reply.file(bytes, for: request)
        reply.headers += [("X-Repo-Commit", commit), ("ETag", "W/\"\(etag(name))\"")]
        return reply
    }

    private func listing() -> Reply {
        let siblings = files.keys.sorted().map { name -> [String: Any] in
            guard listsBlobs else { return ["rfilename": name] }
            let size = files[name]?.count ?? 0
            guard TestHub.isLarge(name) else { return ["rfilename": name, "size": size, "blobId": etag(name)] }
            return [
                "rfilename": name, "size": size, "blobId": String(repeating: "7", count: 40),
                "lfs": ["sha256": etag(name), "size": size, "pointerSize": 130],
            ]
        }
        let object: [String: Any] = ["id": "org/tiny", "sha": commit, "siblings": siblings]
        let json = (try? JSONSerialization.data(withJSONObject: object)) ?? Data()
        return Reply(headers: [("Content-Type", "application/json")], body: json)
    }
}

func sha256(_ bytes: [UInt8]) -> String {
    (try? bytes.withUnsafeBytes { try MessageDigest.hexDigest(.sha256, of: $0) }) ?? "no digest"
}

func gitBlob(_ bytes: [UInt8]) -> String {
    let blob = Array("blob \(bytes.count)\0".utf8) + bytes
    return (try? blob.withUnsafeBytes { try MessageDigest.hexDigest(.sha1, of: $0) }) ?? "no digest"
}

/// Calls `body` with a new folder that is removed afterwards.
@discardableResult
func withFolder<R>(_ body: (URL) async throws -> R) async throws -> R {
    let folder = FileManager.default.temporaryDirectory.appending(path: "idefics-hub-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

extension URL {
    /// The file's bytes, or nil.
    func bytes(_ path: String) -> [UInt8]? { (try? Data(contentsOf: appending(path: path))).map { Array($0) } }
}

/// `bytes` with a few bytes changed, removed or repeated.
func mutated(_ bytes: [UInt8], using random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...5, using: &random) where !bytes.isEmpty {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: at)
        case 2: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 20)], at: at)
        default: bytes[at] = Array("{}[]\",:0-9\\/.".utf8).randomElement(using: &random) ?? 0
        }
    }
    return bytes
}
