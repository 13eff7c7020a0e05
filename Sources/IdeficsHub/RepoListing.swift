// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import IdeficsFoundation
internal import IdeficsNetwork

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// The files of a repository at one commit, which never change.
package struct RepoListing: Sendable, Equatable {
    /// One file, with what the server said about it.
    package struct File: Sendable, Equatable {
        package var size: Int64?
        /// Git's name of the content (for large files, of the pointer to it).
        var blobId: String?
        /// SHA-256 of the content of a large file.
        var sha256: String?

        /// The name of its blob in the cache, if known.
        var etag: String? { sha256 ?? blobId }
    }

    package var commit: String
    package var files: [String: File]
}

// MARK: - The hub's answer

extension RepoListing {
    private struct Answer: Decodable {
        struct Sibling: Decodable {
            struct LFS: Decodable {
                var sha256: String?
                var size: Int64?
            }

            var rfilename: String
            var size: Int64?
            var blobId: String?
            var lfs: LFS?
        }

        var sha: String
        var siblings: [Sibling]
    }

    /// Reads the answer of `GET /api/models/{id}/revision/{revision}`, with or without `?blobs=true`.
    package init(hubAnswer bytes: [UInt8], url: String) throws {
        let answer: Answer
        do {
            answer = try JSONReader.decode(Answer.self, from: Data(bytes), file: "the answer")
        } catch {
            throw HubError.badAnswer(url: describe(url), reason: "no model description: \(reason(of: error))")
        }
        guard isHex(answer.sha, count: 40) else {
            throw HubError.badAnswer(url: describe(url), reason: "sha is not a commit: \(printable(answer.sha))")
        }
        commit = answer.sha
        files = [:]
        for sibling in answer.siblings {
            let size = sibling.lfs?.size ?? sibling.size
            files[sibling.rfilename] = File(
                size: size.flatMap { $0 >= 0 ? $0 : nil },
                blobId: sibling.blobId.flatMap { isHex($0, count: 40) ? $0 : nil },
                sha256: sibling.lfs?.sha256.flatMap { isHex($0, count: 64) ? $0 : nil }
            )
            // A large file's git name is that of its pointer, not of its content.
            if sibling.lfs != nil, files[sibling.rfilename]?.sha256 == nil { files[sibling.rfilename]?.blobId = nil }
        }
    }
}

// MARK: - The cache's copy

extension RepoListing {
    /// The file `trees/<commit>.json`, which `huggingface_hub` reads and writes too.
    private struct Tree: Codable {
        struct Entry: Codable {
            var size: Int64
            var blob_id: String
            var lfs_sha256: String?
            var lfs_size: Int64?
        }

        var format_version: Int
        var files: [String: Entry]
    }

    /// Reads the cache's copy; nil if it is damaged or of another version.
    init?(tree bytes: [UInt8], commit: String) {
        guard let tree = try? JSONReader.decode(Tree.self, from: Data(bytes), file: "tree"),
            tree.format_version == 1
        else { return nil }
        self.commit = commit
        files = [:]
        for (name, entry) in tree.files {
            let size = entry.lfs_size ?? entry.size
            guard size >= 0, isHex(entry.blob_id, count: 40), entry.lfs_sha256.map({ isHex($0, count: 64) }) ?? true
            else { return nil }
            files[name] = File(size: size, blobId: entry.blob_id, sha256: entry.lfs_sha256)
        }
    }

    /// The cache's copy; nil if the server left something out.
    var tree: [UInt8]? {
        var tree = Tree(format_version: 1, files: [:])
        for (name, file) in files {
            guard let size = file.size, let blobId = file.blobId else { return nil }
            tree.files[name] = Tree.Entry(
                size: size,
                blob_id: blobId,
                lfs_sha256: file.sha256,
                lfs_size: file.sha256 == nil ? nil : size
            )
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(tree)).map { Array($0) }
    }
}

/// An error of the reader of JSON in a few words.
func reason(of error: any Error) -> String {
    guard let error = error as? JSONError else { return "not JSON" }
    return error.isMalformed || error.path.isEmpty
        ? error.reasonWithPlace : "\(printable(error.path)): \(printable(error.reason))"
}
