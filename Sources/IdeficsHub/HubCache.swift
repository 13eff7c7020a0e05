// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation
internal import IdeficsNetwork

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// The cache of models that all Hugging Face software on a machine shares.
///
///     models--ORG--NAME/blobs/<etag>                      content, named by its digest
///     models--ORG--NAME/blobs/<etag>.incomplete           content on its way
///     models--ORG--NAME/refs/<revision>                   the commit a branch or tag meant when last asked for
///     models--ORG--NAME/snapshots/<commit>/<file>         link to ../../blobs/<etag>
///     models--ORG--NAME/trees/<commit>.json               the commit's list of files
///     .locks/models--ORG--NAME/<etag>.lock                held while a blob is made
public struct HubCache: Sendable {
    /// The cache's folder.
    public let directory: URL

    /// The cache in a folder, which need not exist yet.
    ///
    /// - Parameter directory: The folder, see `HubConfiguration.cacheDirectory`.
    public init(directory: URL) { self.directory = directory }

    /// The folder of a model's files, if the cache knows the revision; some files may be missing.
    ///
    /// - Parameters:
    ///   - id: The repository.
    ///   - revision: A branch, tag or commit.
    /// - Returns: The snapshot's folder.
    public func snapshot(of id: RepoId, revision: Revision = .main) -> URL? {
        let repository = repository(id)
        guard let commit = repository.commit(of: revision) else { return nil }
        let folder = repository.snapshot(commit)
        guard FileManager.default.fileExists(atPath: folder) else { return nil }
        return URL(filePath: folder, directoryHint: .isDirectory)
    }

    /// Paths of a model's files in the cache, relative to its snapshot.
    ///
    /// - Parameters:
    ///   - id: The repository.
    ///   - revision: A branch, tag or commit.
    /// - Returns: The paths, sorted; none if the cache does not know the revision.
    public func snapshotFiles(of id: RepoId, revision: Revision = .main) -> [String] {
        let repository = repository(id)
        return repository.commit(of: revision).map { repository.files(at: $0) } ?? []
    }

    func repository(_ id: RepoId) -> CachedRepository {
        var root = directory.path
        while root.count > 1, root.hasSuffix("/") { root.removeLast() }
        return CachedRepository(
            id: id,
            folder: root + "/" + id.folderName,
            locks: root + "/.locks/" + id.folderName
        )
    }
}

/// One model in the cache.
struct CachedRepository: Sendable {
    let id: RepoId
    let folder: String
    let locks: String

    private static let smallFileLimit = 64 << 20

    func blob(_ etag: String) -> String { "\(folder)/blobs/\(etag)" }

    func lock(_ etag: String) -> String { "\(locks)/\(etag).lock" }

    func snapshot(_ commit: String) -> String { "\(folder)/snapshots/\(commit)" }

    private func reference(_ revision: Revision) -> String { "\(folder)/refs/\(revision)" }

    private func tree(_ commit: String) -> String { "\(folder)/trees/\(commit).json" }

    /// The commit a revision is, or meant when the hub was last asked.
    func commit(of revision: Revision) -> String? {
        if revision.isCommit { return revision.description }
        guard let bytes = try? Files.read(reference(revision), limit: 1024) else { return nil }
        let text = String(decoding: bytes.filter { $0 > 32 }, as: UTF8.self)
        return isHex(text, count: 40) ? text : nil
    }

    func store(commit: String, of revision: Revision) throws {
        guard !revision.isCommit, self.commit(of: revision) != commit else { return }
        try write(Array(commit.utf8), to: reference(revision))
    }

    func listing(_ commit: String) -> RepoListing? {
        guard let bytes = try? Files.read(tree(commit), limit: Self.smallFileLimit) else { return nil }
        return RepoListing(tree: Array(bytes), commit: commit)
    }

    func store(_ listing: RepoListing) throws {
        guard let bytes = listing.tree, Files.size(tree(listing.commit)) == nil else { return }
        try write(bytes, to: tree(listing.commit))
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        try Files.makeFolder(Files.split(path).folder)
        try AtomicFile.write(Data(bytes), toPath: path)
    }

    /// The size of a file that is there in whole; nil otherwise.
    func size(of file: String, at commit: String) -> Int64? {
        Files.size("\(snapshot(commit))/\(file)")
    }

    func content(of file: String, at commit: String) throws -> [UInt8] {
        let path = "\(snapshot(commit))/\(file)"
        guard let bytes = try Files.readIfPresent(path, limit: Self.smallFileLimit) else {
            throw HubError.badFile(path: path, reason: "missing")
        }
        return Array(bytes)
    }

    /// All files of a snapshot.
    func files(at commit: String) -> [String] { FileSystem.files(below: snapshot(commit)) }

    /// Shows a finished blob under its file's name.
    func link(_ file: String, at commit: String, to etag: String) throws {
        let depth = file.utf8.reduce(0) { $0 + ($1 == UInt8(ascii: "/") ? 1 : 0) }
        let target = String(repeating: "../", count: depth + 2) + "blobs/\(etag)"
        try FileSystem.link("\(snapshot(commit))/\(file)", to: target)
    }
}
