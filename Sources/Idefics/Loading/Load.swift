// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import IdeficsHub

/// Loads a model from a directory or from the Hugging Face hub: `Idefics.load(from: "HuggingFaceM4/idefics-9b-instruct")`.
///
/// - Parameters:
///   - model: a directory with a checkpoint in Hugging Face format, or `ORG/NAME[@revision]`, found in the shared cache
///     or downloaded into it.
///   - downloader: gets what is not in a local directory; nil for the hub as the environment configures it.
///   - progressHandler: hears how far a download is.
/// - Returns: the model with its processor, ready to generate.
/// - Throws: what finding, downloading, reading or checking the files throws; each names the file and the field.
public func load(
    from model: String,
    downloader: (any Downloader)? = nil,
    progressHandler: @escaping @Sendable (HubProgress) -> Void = { _ in }
) async throws -> ModelContainer {
    try ModelContainer(
        directory: await modelDirectory(of: model, downloader: downloader, progressHandler: progressHandler)
    )
}

/// The directory of a model, downloaded if it is not there.
///
/// - Parameters:
///   - model: a directory, or `ORG/NAME[@revision]`.
///   - downloader: gets what is not in a local directory; nil for the hub as the environment configures it.
///   - progressHandler: hears how far a download is.
/// - Returns: a directory with a checkpoint.
/// - Throws: what parsing the reference or downloading throws.
public func modelDirectory(
    of model: String,
    downloader: (any Downloader)? = nil,
    progressHandler: @escaping @Sendable (HubProgress) -> Void = { _ in }
) async throws -> URL {
    let downloader = try downloader ?? HubClient()
    return try await downloader.resolve(ModelReference(model), progressHandler: progressHandler)
}
