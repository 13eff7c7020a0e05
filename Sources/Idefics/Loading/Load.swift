// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import IdeficsHub
public import IdeficsTensor

/// Loads a model from a directory or from the Hugging Face hub: `Idefics.load(from: "HuggingFaceM4/idefics-9b-instruct")`.
///
/// - Parameters:
///   - model: a directory with a checkpoint in Hugging Face format; `ORG/NAME[@revision]`, found in the shared cache or
///     downloaded into it; or `demo`, the demo model in the application's own cache.
///   - adapter: a LoRA adapter for it as PEFT writes it: a directory or `ORG/NAME[@revision]`; nil for none.
///   - cacheType: how keys and values are stored: a quarter of the memory with `int8`.
///   - downloader: gets what is not in a local directory; nil for the hub as the environment configures it.
///   - progressHandler: reports how far a download is.
/// - Returns: the model with its processor, ready to generate.
/// - Throws: what finding, downloading, reading or checking the files throws; each names the file and the field.
public func load(
    from model: String,
    adapter: String? = nil,
    cacheType: KeyValueType = .f32,
    downloader: (any Downloader)? = nil,
    progressHandler: @escaping @Sendable (HubProgress) -> Void = { _ in }
) async throws -> ModelContainer {
    let directory = try await modelDirectory(of: model, downloader: downloader, progressHandler: progressHandler)
    var adapterURL: URL?
    if let adapter {
        adapterURL = try await adapterDirectory(of: adapter, downloader: downloader, progressHandler: progressHandler)
    }
    return try ModelContainer(directory: directory, adapter: adapterURL, cacheType: cacheType)
}

/// The directory of a model, downloaded if it is not there.
///
/// - Parameters:
///   - model: a directory, `ORG/NAME[@revision]`, or `demo`: always the demo model, even beside a directory of that
///     name, which is `./demo`.
///   - downloader: gets what is not in a local directory; nil for the hub as the environment configures it.
///   - progressHandler: reports how far a download is.
/// - Returns: a directory with a checkpoint.
/// - Throws: `IdeficsError.demoModelMissing`, or what parsing the reference or downloading throws.
public func modelDirectory(
    of model: String,
    downloader: (any Downloader)? = nil,
    progressHandler: @escaping @Sendable (HubProgress) -> Void = { _ in }
) async throws -> URL {
    if model == ApplicationCache.demoModelName { return try ApplicationCache().demoModel() }
    let downloader = try downloader ?? HubClient()
    return try await downloader.resolve(ModelReference(model), progressHandler: progressHandler)
}

/// The directory of a LoRA adapter, downloaded if it is not there.
///
/// - Parameters:
///   - adapter: a directory or `ORG/NAME[@revision]`.
///   - downloader: gets what is not in a local directory; nil for the hub as the environment configures it.
///   - progressHandler: reports how far a download is.
/// - Returns: a directory with PEFT's files.
/// - Throws: what parsing the reference or downloading throws.
public func adapterDirectory(
    of adapter: String,
    downloader: (any Downloader)? = nil,
    progressHandler: @escaping @Sendable (HubProgress) -> Void = { _ in }
) async throws -> URL {
    switch try ModelReference(adapter) {
    case .directory(let url): url
    case .repository(let id, let revision):
        try await (downloader ?? HubClient()).download(
            id: id.description,
            revision: revision.description,
            matching: FileSelection.adapter,
            progressHandler: progressHandler
        )
    }
}
