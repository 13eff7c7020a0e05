// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// The cache of models that all Hugging Face software on a machine shares.
///
///     models--ORG--NAME/blobs/<etag>                      content, named by its digest (without one, ETag and path)
///     models--ORG--NAME/blobs/<etag>.incomplete           content on its way
///     models--ORG--NAME/refs/<revision>                   the commit a branch or tag meant when last asked for
///     models--ORG--NAME/snapshots/<commit>/<file>         link to ../../blobs/<etag>; the file itself without links
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
        guard Files.status(folder) != nil else { return nil }
        return URL(localPath: folder, isDirectory: true)
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
