// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif
#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#else
internal import Darwin
#endif

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

    // MARK: - Notes: what a revision means, which files a commit has

    /// The commit a revision is, or meant when the hub was last asked.
    func commit(of revision: Revision) -> String? {
        if revision.isCommit { return revision.description }
        guard let bytes = try? Files.read(reference(revision), limit: 1024) else { return nil }
        let text = String(decoding: bytes.filter { $0 > 32 }, as: UTF8.self)
        return isHex(text, count: 40) ? text : nil
    }

    /// The only commit there is; a cache that was copied or packed may have lost what `main` means.
    var onlyCommit: String? {
        let commits = (try? Files.names(in: "\(folder)/snapshots"))?.filter { isHex($0, count: 40) } ?? []
        return commits.count == 1 ? commits.first : nil
    }

    func store(commit: String, of revision: Revision) throws {
        guard !revision.isCommit, self.commit(of: revision) != commit else { return }
        try write(Array(commit.utf8), to: reference(revision), inside: "\(folder)/refs")
    }

    func listing(_ commit: String) -> RepoListing? {
        guard let bytes = try? Files.read(tree(commit), limit: Self.smallFileLimit) else { return nil }
        return RepoListing(tree: Array(bytes), commit: commit)
    }

    func store(_ listing: RepoListing) throws {
        guard let bytes = listing.tree, Files.size(tree(listing.commit)) == nil else { return }
        try write(bytes, to: tree(listing.commit), inside: "\(folder)/trees")
    }

    private func write(_ bytes: [UInt8], to path: String, inside root: String) throws {
        try Files.makeFolder(Files.split(path).folder)
        try checkStaysInside(root, path)
        try AtomicFile.write(Data(bytes), toPath: path)
    }

    // MARK: - Files

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

    /// All files of a snapshot, symbolic links to files included.
    func files(at commit: String) -> [String] {
        let folder = snapshot(commit)
        return Self.paths(below: folder, depth: 0).filter { Files.size("\(folder)/\($0)") != nil }.sorted()
    }

    /// Names in a snapshot whose link leads nowhere: files whose content was in the cache once and is not any more.
    func danglingLinks(at commit: String) -> [String] {
        let folder = snapshot(commit)
        return Self.paths(below: folder, depth: 0).filter { Files.status("\(folder)/\($0)") == nil }.sorted()
    }

    /// Paths of what is in `folder` and the folders in it, links to folders not followed.
    private static func paths(below folder: String, depth: Int) -> [String] {
        guard depth < 64, let names = try? Files.names(in: folder) else { return [] }
        return names.flatMap { name in
            let mode = (Files.status("\(folder)/\(name)", followsLinks: false)?.st_mode ?? 0) & S_IFMT
            return mode == S_IFDIR
                ? paths(below: "\(folder)/\(name)", depth: depth + 1).map { "\(name)/\($0)" } : [name]
        }
    }

    /// Why the cache cannot be looked at, if that is so: what another user keeps to himself is not just missing.
    var accessError: FileError? {
        do {
            _ = try Files.names(in: "\(folder)/snapshots")
            return nil
        } catch let error as FileError where error.code == EACCES {
            return error
        } catch {
            return nil
        }
    }

    // MARK: - Links

    /// Shows a finished blob under its file's name.
    ///
    /// Without `usesLinks`, and where there are no symbolic links, the file itself is put there; it is moved if the blob
    /// `isNew`, so that nothing else can be linked to it yet.
    func show(_ file: String, at commit: String, blob etag: String, isNew: Bool, usesLinks: Bool) throws {
        let path = "\(snapshot(commit))/\(file)"
        try Files.makeFolder(Files.split(path).folder)
        try checkStaysInside(snapshot(commit), path)
        guard usesLinks else { return try place(blob(etag), at: path, isNew: isNew) }
        let depth = file.utf8.reduce(0) { $0 + ($1 == UInt8(ascii: "/") ? 1 : 0) }
        let target = String(repeating: "../", count: depth + 2) + "blobs/\(etag)"
        if Files.destination(ofLink: path) == target { return }
        do {
            try Files.replaceWithLink(path, to: target)
        } catch let error as FileError where Self.saysNoLinks(error.code) {
            // FAT, some network shares. huggingface_hub does the same there.
            try place(blob(etag), at: path, isNew: isNew)
        }
    }

    private static func saysNoLinks(_ code: Int32) -> Bool {
        [EPERM, ENOSYS, ENOTSUP, EOPNOTSUPP, EINVAL, EIO, EACCES].contains(code)
    }

    private func place(_ blob: String, at path: String, isNew: Bool) throws {
        if isNew {
            try Files.rename(blob, to: path)
        } else {
            try Files.copy(blob, to: path)
        }
    }

    /// Throws unless the folder of `path`, wherever links in it lead, is `root` or in it; `root` itself may be elsewhere,
    /// as with caches that are spread over disks.
    private func checkStaysInside(_ root: String, _ path: String) throws {
        let parent = Files.split(path).folder
        guard let root = Files.realPath(root), let found = Files.realPath(parent),
            found == root || found.utf8.starts(with: "\(root)/".utf8)
        else {
            throw HubError.file(path: printable(path), operation: "write", reason: "a link leads out of the cache")
        }
    }
}
