// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation
internal import IdeficsNetwork

/// Brings single files of one commit into the cache.
struct FileDownload: Sendable {
    let repository: CachedRepository
    let commit: String
    let hub: HubRequests
    let tracker: ProgressTracker

    /// A server whose file sizes are unknown may send this much.
    private static let unknownSizeLimit: Int64 = 1 << 30
    /// This much progress makes the count of failures start again.
    private static let progressWorthCounting: Int64 = 1 << 20

    /// Makes a file be in the snapshot, whole and checked.
    func run(_ file: String, _ listed: RepoListing.File?) async throws {
        do {
            try await fetch(file, listed)
        } catch let error as NetworkError {
            throw HubError(error)
        }
    }

    private func fetch(_ file: String, _ listed: RepoListing.File?) async throws {
        if let size = repository.size(of: file, at: commit), listed?.size ?? size == size {
            return tracker.report(file, .finished, completed: size)
        }
        let version: HubRequests.FileVersion
        if let etag = listed?.etag, let size = listed?.size {
            version = .init(etag: etag, size: size)
        } else {
            version = try await hub.version(of: file, in: repository.id, at: commit)
            tracker.add(file, size: version.size)
        }
        let blobName = try Self.blobName(version.etag, of: file)
        let blob = repository.blob(blobName)
        if isWhole(blob, version) { return try finish(file, blobName, isNew: false) }
        try Files.makeFolder(Files.split(blob).folder)
        let lock = try await lock(blobName)
        defer { withExtendedLifetime(lock) {} }
        // Whoever held the lock before may have downloaded it.
        if isWhole(blob, version) { return try finish(file, blobName, isNew: false) }
        // Without a working lock a shared file could be written by two at once.
        let suffix = lock?.isExclusive == true ? "" : ".\(UInt32.random(in: 0...(.max)))"
        let incomplete = blob + suffix + ".incomplete"
        do {
            try await downloadAndCheck(file, version, to: incomplete)
        } catch HubError.checksumMismatch {
            // What was there from an earlier time may have been at fault: once more from the start.
            try await downloadAndCheck(file, version, to: incomplete)
        }
        do {
            try Files.rename(incomplete, to: blob)
        } catch {
            Files.remove(incomplete)
            throw error
        }
        try finish(file, blobName, isNew: true)
    }

    /// What a file's content is called in the cache: by its digest, or, for servers whose ETags are none (and may be those
    /// of several files), by ETag and path.
    private static func blobName(_ etag: String, of file: String) throws -> String {
        guard ContentDigest(etag: etag) == .unknown else { return etag }
        let path = try Array(file.utf8).withUnsafeBytes { try MessageDigest.hexDigest(.sha256, of: $0) }
        return "\(etag)-\(path.prefix(16))"
    }

    /// The lock of a blob; nil in a shared cache whose locks are another user's: whether the blob itself may be written
    /// is found out soon enough.
    private func lock(_ etag: String) async throws -> FileLock? {
        do {
            return try await FileLock.acquire(repository.lock(etag))
        } catch let error as FileError where error.isReadOnly {
            return nil
        }
    }

    private func isWhole(_ blob: String, _ version: HubRequests.FileVersion) -> Bool {
        guard let size = Files.size(blob) else { return false }
        return version.size.map { $0 == size } ?? true
    }

    private func finish(_ file: String, _ blobName: String, isNew: Bool) throws {
        try repository.show(
            file,
            at: commit,
            blob: blobName,
            isNew: isNew,
            usesLinks: hub.configuration.usesSymbolicLinks
        )
        tracker.report(file, .finished, completed: repository.size(of: file, at: commit) ?? 0)
    }

    private func downloadAndCheck(_ file: String, _ version: HubRequests.FileVersion, to path: String) async throws {
        let sink = try BlobSink(path: path, expectedSize: version.size, limit: Self.unknownSizeLimit) {
            tracker.report(file, .downloading, completed: $0)
        }
        try await transfer(file, version, into: sink)
        tracker.report(file, .verifying, completed: sink.position)
        let digest = ContentDigest(etag: version.etag)
        let found = try await onOwnThread {
            let found = try digest.compute(over: sink.file)
            try sink.file.synchronize()
            return found
        }
        if let found, found != version.etag {
            Files.remove(path)
            throw HubError.checksumMismatch(
                repo: "\(repository.id)",
                file: file,
                expected: version.etag,
                found: found
            )
        }
    }

    /// Gets bytes until all are there, going on after each failure that may pass.
    private func transfer(_ file: String, _ version: HubRequests.FileVersion, into sink: BlobSink) async throws {
        let url = try hub.fileURL(file, in: repository.id, at: commit)
        let policy = hub.configuration.retry
        var failures = 0
        while version.size == nil || sink.position != version.size {
            let start = sink.position
            var pause: Duration?
            do {
                let response = try await hub.http.stream(
                    url: url,
                    into: sink,
                    offset: start,
                    headers: hub.headers,
                    limits: hub.configuration.downloadLimits
                )
                if response.head.isSuccess {
                    guard let size = version.size, sink.position < size else { return }
                    guard failures + 1 < policy.maxAttempts else {
                        throw HubError.sizeMismatch(
                            repo: "\(repository.id)",
                            file: file,
                            expected: size,
                            found: sink.position
                        )
                    }
                } else if response.status == 416, start > 0, failures + 1 < policy.maxAttempts {
                    try sink.restart()
                } else {
                    pause = hub.pause(before: response, failures: failures + 1)
                    if pause == nil { throw hub.error(response, repository.id, file: file) }
                }
            } catch let error as NetworkError where failures + 1 < policy.maxAttempts {
                if case .badContentRange = error {
                    try sink.restart()
                } else if case .bodyTooLarge = error, let size = version.size {
                    throw HubError.sizeMismatch(
                        repo: "\(repository.id)",
                        file: file,
                        expected: size,
                        found: nil
                    )
                } else if !error.isTransient {
                    throw error
                }
            }
            failures = sink.position - start >= Self.progressWorthCounting ? 1 : failures + 1
            try await Task.sleep(for: pause ?? policy.delay(afterFailures: failures))
        }
    }
}

/// Writes a blob's bytes where they belong, never more than there should be.
final class BlobSink: HTTPBodySink {
    let file: FileWriter
    private let expectedSize: Int64?
    private let limit: Int64
    private let progress: @Sendable (Int64) -> Void
    private let written: Locked<Int64>

    /// A sink that goes on after the bytes already in the file at `path`.
    init(path: String, expectedSize: Int64?, limit: Int64, progress: @escaping @Sendable (Int64) -> Void) throws {
        file = try FileWriter(path: path)
        self.expectedSize = expectedSize
        self.limit = expectedSize ?? limit
        self.progress = progress
        var size = try file.size()
        // Without a size nothing tells whether the rest is missing.
        if expectedSize == nil || size > self.limit {
            try file.truncate(to: 0)
            size = 0
        }
        written = Locked(size)
        progress(size)
    }

    /// The number of bytes there are.
    var position: Int64 { written.withLock { $0 } }

    /// Throws the bytes away.
    func restart() throws {
        try file.truncate(to: 0)
        written.withLock { $0 = 0 }
    }

    func begin(_ head: HTTPResponseHead) throws {
        let start = try head.bodyOffset(requested: position)
        try file.truncate(to: start)
        written.withLock { $0 = start }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        let end = try written.withLock { position in
            guard Int64(bytes.count) <= limit - position else {
                throw NetworkError.bodyTooLarge(url: file.path, limit: limit)
            }
            try file.write(bytes, at: position)
            position += Int64(bytes.count)
            return position
        }
        progress(end)
    }
}
