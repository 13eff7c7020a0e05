// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import IdeficsHub

/// Loads a model from a directory or from the Hugging Face hub: `Idefics.load(from: "HuggingFaceM4/idefics-9b-instruct")`.
///
/// - Parameters:
///   - model: a directory with a checkpoint in Hugging Face format, or `ORG/NAME[@revision]`, found in the shared cache
///     or downloaded into it.
///   - downloader: gets what is not in a local directory.
///   - progressHandler: hears how far a download is.
/// - Returns: the model with its processor, ready to generate.
/// - Throws: what finding, downloading, reading or checking the files throws; each names the file and the field.
public func load(
    from model: String,
    downloader: any Downloader = HubClient(),
    progressHandler: @escaping @Sendable (DownloadProgress) -> Void = { _ in }
) async throws -> ModelContainer {
    let directory = try await resolve(model, downloader: downloader, progressHandler: progressHandler)
    return try ModelContainer(directory: directory)
}

/// The directory of `model`, downloaded if it is not there.
///
/// - Parameters:
///   - model: a directory, or `ORG/NAME[@revision]`.
///   - downloader: gets what is not in a local directory.
///   - progressHandler: hears how far a download is.
/// - Returns: a directory with a checkpoint.
/// - Throws: what parsing the reference or downloading throws.
public func resolve(
    _ model: String,
    downloader: any Downloader = HubClient(),
    progressHandler: @escaping @Sendable (DownloadProgress) -> Void = { _ in }
) async throws -> URL {
    switch try ModelReference(model) {
    case .directory(let url): url
    case .hub(let id, let revision):
        try await downloader.download(
            id: id,
            revision: revision,
            matching: modelFilePatterns,
            progressHandler: progressHandler
        )
    }
}

/// The files of a repository that running a model takes.
let modelFilePatterns = ["*.json", "*.safetensors", "*.bin", "tokenizer.model"]
