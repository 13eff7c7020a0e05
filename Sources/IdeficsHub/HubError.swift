// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsNetwork

/// What went wrong between a model's name and its files on disk.
public enum HubError: Error, Equatable, Sendable {
    /// The text is not a repository name.
    case invalidRepoId(String, reason: String)
    /// The text cannot be a branch, tag or commit.
    case invalidRevision(String)
    /// An environment variable or setting has a value that cannot be used.
    case invalidSetting(name: String, reason: String)
    /// The server names a file that would leave the cache folder, or that no file system takes.
    case invalidFileName(repo: String, name: String)
    /// The server names a version of a file in a way that cannot be a file name.
    case invalidEtag(file: String, etag: String)
    /// The server wants a token, or another one (401).
    case unauthorized(repo: String, hasToken: Bool)
    /// The repository's licence has to be accepted first, or the token may not read it (403).
    case forbidden(repo: String, message: String)
    /// No such repository, or a private one without a token that may see it (404).
    case repositoryNotFound(repo: String, hasToken: Bool)
    /// The repository has no such branch, tag or commit (404).
    case revisionNotFound(repo: String, revision: String)
    /// The repository has no such file (404).
    case fileNotFound(repo: String, file: String)
    /// No file of the repository matches the patterns.
    case noMatchingFiles(repo: String, patterns: [String])
    /// The index of a sharded checkpoint names a file the repository does not have.
    case missingShard(repo: String, index: String, shard: String)
    /// The server asks to wait longer than allowed (429).
    case rateLimited(repo: String, retryAfterSeconds: Int64?)
    /// Offline mode is on and files are missing from the cache.
    case offline(repo: String, revision: String, missing: [String])
    /// The server's answer is not what its interface promises.
    case badAnswer(url: String, reason: String)
    /// A local file is not what it should be.
    case badFile(path: String, reason: String)
    /// A file has another size than announced; `found` is nil if it is larger.
    case sizeMismatch(repo: String, file: String, expected: Int64, found: Int64?)
    /// A file has another content than announced.
    case checksumMismatch(repo: String, file: String, expected: String, found: String)
    /// The disk has less free space than the files need.
    case notEnoughDiskSpace(path: String, neededBytes: Int64, availableBytes: Int64)
    /// A file or folder of the cache could not be read, made or locked.
    case file(path: String, operation: String, reason: String)
    /// The request failed.
    case network(NetworkError)
}

extension HubError: CustomStringConvertible {
    /// What happened, where, and what to do.
    public var description: String {
        switch self {
        case .invalidRepoId(let text, let reason):
            "\(text): not a repository name (\(reason)); use ORG/NAME or the path of a folder"
        case .invalidRevision(let text):
            "\(text): not a revision; use a branch, a tag or a commit"
        case .invalidSetting(let name, let reason):
            "\(name): \(reason)"
        case .invalidFileName(let repo, let name):
            "\(repo): refused file name \(name)"
        case .invalidEtag(let file, let etag):
            "\(file): refused ETag \(etag)"
        case .unauthorized(let repo, let hasToken):
            hasToken
                ? "\(repo): the token was not accepted; renew it at the hub and set HF_TOKEN"
                : "\(repo): not public, or no such repository; check the name, or set HF_TOKEN to a token that may read it"
        case .forbidden(let repo, let message):
            "\(repo): access denied; accept the licence on the model's page and set HF_TOKEN to a token that may read it"
                + (message.isEmpty ? "" : " (\(message))")
        case .repositoryNotFound(let repo, let hasToken):
            "\(repo): no such repository; check the name"
                + (hasToken ? "" : ", and set HF_TOKEN if it is private")
        case .revisionNotFound(let repo, let revision):
            "\(repo): no revision \(revision); check the name after @"
        case .fileNotFound(let repo, let file):
            "\(repo): no file \(file)"
        case .noMatchingFiles(let repo, let patterns):
            "\(repo): no file matches \(patterns.joined(separator: ", "))"
        case .missingShard(let repo, let index, let shard):
            "\(repo): \(index) names \(shard), which the repository does not have"
        case .rateLimited(let repo, let seconds):
            "\(repo): too many requests; try again "
                + (seconds.map { "in \($0) s" } ?? "later") + ", or set HF_TOKEN for a higher limit"
        case .offline(let repo, let revision, let missing):
            "\(repo)@\(revision): not complete in the cache and offline mode is on; unset HF_HUB_OFFLINE to download "
                + (missing.isEmpty
                    ? "it" : missing.prefix(5).joined(separator: ", ") + (missing.count > 5 ? ", …" : ""))
        case .badAnswer(let url, let reason):
            "\(url): unexpected answer (\(reason)); if HF_ENDPOINT is set, check that it is a Hugging Face hub"
        case .badFile(let path, let reason):
            "\(path): \(reason)"
        case .sizeMismatch(let repo, let file, let expected, let found):
            "\(repo): \(file) has \(found.map { "\($0)" } ?? "more") bytes instead of \(expected); try again"
        case .checksumMismatch(let repo, let file, let expected, let found):
            "\(repo): \(file) was damaged on the way (digest \(found) instead of \(expected)); try again"
        case .notEnoughDiskSpace(let path, let needed, let available):
            "\(path): \(needed) bytes needed, \(available) free; free some or set HF_HOME to another disk"
        case .file(let path, let operation, let reason):
            "\(path): cannot \(operation) (\(reason))"
        case .network(let error):
            error.description
        }
    }
}
