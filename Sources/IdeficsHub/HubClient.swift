// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation
internal import IdeficsNetwork

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// Downloads models from a Hugging Face hub into the cache all Hugging Face software shares.
///
/// Files appear in the cache whole and checked, or not at all: content is written to `<etag>.incomplete`, compared
/// with the size and the digest the hub announced, synchronised to disk and only then renamed and linked. A download
/// that was interrupted goes on where it stopped. A lock per file keeps other tasks and processes from downloading it
/// at the same time.
///
/// No request is made if the revision is a commit and the cache has its files. For a branch or tag the hub is asked
/// what it means now; if it does not answer, or not to this user, and the cache has all files of what it meant last
/// time, those are used, after one attempt, and `HubProgress.notice` says so. A cache that may not be written to is good
/// for what it holds.
public struct HubClient: Downloader {
    /// Where the hub and its cache are.
    public let configuration: HubConfiguration
    /// The cache.
    public let cache: HubCache
    private let hub: HubRequests

    /// A client with the settings of the environment.
    ///
    /// - Throws: `HubError.invalidSetting`.
    public init() throws { self.init(configuration: try HubConfiguration()) }

    /// A client with its own settings.
    ///
    /// - Parameter configuration: Where the hub and its cache are.
    public init(configuration: HubConfiguration) {
        self.configuration = configuration
        cache = HubCache(directory: configuration.cacheDirectory)
        hub = HubRequests(http: HTTPClient(), configuration: configuration)
    }

    /// Gets the files of a model that match, weights in one format only, and returns the folder they are in.
    ///
    /// - Parameters:
    ///   - id: `ORG/NAME`.
    ///   - revision: A branch, tag, pull request (`refs/pr/1`) or commit.
    ///   - patterns: Names of files, with `*`, `?` and `[…]`; see `FileSelection`.
    ///   - progressHandler: Called from the transfers' threads, one call at a time.
    /// - Returns: The snapshot's folder in the cache.
    /// - Throws: `HubError`, or `CancellationError` if the task is cancelled.
    public func download(
        id: String,
        revision: String,
        matching patterns: [String],
        progressHandler: @escaping @Sendable (HubProgress) -> Void
    ) async throws -> URL {
        let id = try RepoId(id)
        let revision = try Revision(revision)
        let snapshot = Snapshot(repository: cache.repository(id), patterns: patterns)
        do {
            let commit = try await download(snapshot, revision, ProgressTracker(progressHandler))
            return URL(filePath: snapshot.repository.snapshot(commit), directoryHint: .isDirectory)
        } catch let error as NetworkError {
            throw HubError(error)
        } catch let error as FileError {
            throw HubError(error)
        }
    }

    /// Makes the files be there; returns the commit.
    private func download(_ snapshot: Snapshot, _ revision: Revision, _ tracker: ProgressTracker) async throws -> String
    {
        let repository = snapshot.repository
        let recorded = repository.commit(of: revision)
        let known = recorded ?? (revision == .main ? repository.onlyCommit : nil)
        if revision.isCommit, let known, try snapshot.missingFiles(at: known, isLastResort: false)?.isEmpty == true {
            return known
        }
        // What will do if the hub does not answer.
        let missing = try known.flatMap { try snapshot.missingFiles(at: $0, isLastResort: true) }
        let cached = missing?.isEmpty == true ? known : nil
        if configuration.isOffline {
            if let cached { return cached }
            if let error = repository.accessError { throw error }
            throw HubError.offline(repo: "\(repository.id)", revision: "\(revision)", missing: missing ?? [])
        }

        let listing: RepoListing
        if revision.isCommit, let stored = repository.listing(revision.description) {
            listing = stored
        } else {
            do {
                listing = try await hub.listing(of: repository.id, at: revision, hasSubstitute: cached != nil)
            } catch let error as HubError where error.isWithoutAnswer {
                guard let cached else { throw error }
                tracker.notify("\(repository.id): using the copy in the cache, which may be old. \(error)")
                return cached
            }
        }
        let isComplete = (try? snapshot.isComplete(listing)) == true
        try note(isComplete) { try repository.store(listing) }
        do {
            try await download(snapshot, listing, tracker)
        } catch let error as FileError where error.isReadOnly {
            // Somebody else looks after this cache; a branch that moved on is no reason to stop.
            guard let cached, cached != listing.commit else { throw error }
            tracker.notify("\(repository.id): using the copy in the cache, which is older than the hub's. \(error)")
            return cached
        }
        // Only now: until then the revision means the files it meant before, which are whole.
        try note(isComplete) { try repository.store(commit: listing.commit, of: revision) }
        return listing.commit
    }

    /// Writes something down for the next time; where nothing had to be downloaded, or only such notes may not be written,
    /// going without is no error.
    private func note(_ nothingElseIsWritten: Bool, _ write: () throws -> Void) throws {
        do {
            try write()
        } catch let error as FileError where nothingElseIsWritten || error.isReadOnly {}
    }

    /// Downloads what is missing of a commit.
    private func download(_ snapshot: Snapshot, _ listing: RepoListing, _ tracker: ProgressTracker) async throws {
        let repository = snapshot.repository
        let selection = try snapshot.selection(from: listing.files.keys)
        let download = FileDownload(
            repository: repository,
            commit: listing.commit,
            hub: hub,
            tracker: tracker
        )
        for (index, _) in selection.shards {
            tracker.add(index, size: listing.files[index]?.size)
            try await download.run(index, listing.files[index])
        }
        let files = try snapshot.files(of: selection, in: listing)
        for file in files { tracker.add(file, size: listing.files[file]?.size) }
        try checkDiskSpace(for: files, repository, listing)

        // The largest first, so that the last ones to finish are small.
        let sizes = listing.files.mapValues { $0.size ?? 0 }
        var rest = files.sorted { (sizes[$0] ?? 0, $1) > (sizes[$1] ?? 0, $0) }[...]
        try await withThrowingTaskGroup { group in
            for _ in 0..<max(1, configuration.maxConcurrentDownloads) {
                guard let file = rest.popFirst() else { break }
                group.addTask { try await download.run(file, listing.files[file]) }
            }
            while try await group.next() != nil {
                guard let file = rest.popFirst() else { continue }
                group.addTask { try await download.run(file, listing.files[file]) }
            }
        }
    }

    private func checkDiskSpace(for files: [String], _ repository: CachedRepository, _ listing: RepoListing) throws {
        var needed: Int64 = 0
        for file in files {
            guard let size = listing.files[file]?.size, let etag = listing.files[file]?.etag,
                repository.size(of: file, at: listing.commit) != size, Files.size(repository.blob(etag)) == nil
            else { continue }
            let there = Files.size(repository.blob(etag) + ".incomplete") ?? 0
            let (sum, overflow) = needed.addingReportingOverflow(max(0, size - there))
            needed = overflow ? .max : sum
        }
        guard needed > 0 else { return }
        try Files.makeFolder(repository.folder)
        if let available = Files.availableBytes(repository.folder), needed > available {
            throw HubError.notEnoughDiskSpace(path: repository.folder, neededBytes: needed, availableBytes: available)
        }
    }
}
