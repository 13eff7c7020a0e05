// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

/// Gets a model's files onto the disk; an application may bring its own.
public protocol Downloader: Sendable {
    /// Gets the files of a model that match, and returns the folder they are in.
    ///
    /// - Parameters:
    ///   - id: `ORG/NAME`.
    ///   - revision: A branch, tag or commit.
    ///   - patterns: Names of files, with `*`, `?` and `[…]`.
    ///   - progressHandler: Called now and then, from any thread.
    /// - Returns: A folder with (at least) these files.
    /// - Throws: Any error; nothing is left half-written where it could be taken for whole.
    func download(
        id: String,
        revision: String,
        matching patterns: [String],
        progressHandler: @escaping @Sendable (HubProgress) -> Void
    ) async throws -> URL
}

extension Downloader {
    /// Gets what running a model needs.
    ///
    /// - Parameters:
    ///   - id: `ORG/NAME`.
    ///   - revision: A branch, tag or commit.
    ///   - progressHandler: Called now and then, from any thread.
    /// - Returns: A folder with (at least) these files.
    /// - Throws: Any error of the downloader.
    public func download(
        id: String,
        revision: String = "main",
        progressHandler: @escaping @Sendable (HubProgress) -> Void = { _ in }
    ) async throws -> URL {
        try await download(
            id: id,
            revision: revision,
            matching: FileSelection.model,
            progressHandler: progressHandler
        )
    }

    /// The folder of a model, downloaded if it is a repository.
    ///
    /// - Parameters:
    ///   - model: A folder or a repository.
    ///   - progressHandler: Called now and then, from any thread.
    /// - Returns: The folder.
    /// - Throws: Any error of the downloader.
    public func resolve(
        _ model: ModelReference,
        progressHandler: @escaping @Sendable (HubProgress) -> Void = { _ in }
    ) async throws -> URL {
        switch model {
        case .directory(let url):
            url
        case .repository(let id, let revision):
            try await download(
                id: id.description,
                revision: revision.description,
                progressHandler: progressHandler
            )
        }
    }
}
