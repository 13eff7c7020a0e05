// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsImages

/// Fetches, decodes and resizes the images of a micro-batch, several at a time.
struct ImageLoader: Sendable {
    private let limits: ImageLimits
    private let fetcher: WebImageFetcher
    private let side: Int

    /// Decoding takes a core; fetching mostly waits, so more images than cores are on their way.
    private static let threads = WorkerThreads(
        name: "idefics.images",
        count: min(ProcessInfo.processInfo.activeProcessorCount, 8)
    )
    private static let limit = 16

    /// A loader within the limits of `config`, for a model that sees squares of `side`.
    init(_ config: DataConfig, side: Int) {
        limits = config.imageLimits
        fetcher = WebImageFetcher(
            maxBytes: config.maxImageBytes,
            allowPrivateAddresses: config.allowPrivateAddresses
        )
        self.side = side
    }

    /// The images of each example in order, or why the first one that cannot be had cannot.
    func load(_ examples: [[ImageSource]]) async -> [Result<[RGBImage], any Error>] {
        let sources = examples.flatMap(\.self)
        var loaded = await Self.threads.map(sources, limit: Self.limit) { [limits, fetcher, side] source in
            // At the model's size as soon as it is decoded: a photograph takes 36 MB.
            try await source.load(limits: limits, fetcher: fetcher).resized(width: side, height: side)
        }[...]
        return examples.map { sources in
            let own = loaded.prefix(sources.count)
            loaded = loaded.dropFirst(sources.count)
            return Result { try own.map { try $0.get() } }
        }
    }
}
