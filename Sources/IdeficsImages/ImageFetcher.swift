// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// Something that can download an image; ``ImageSource/load(limits:conversion:fetcher:)`` has no network of its own.
public protocol ImageFetcher: Sendable {
    /// The bytes behind an `http` or `https` address.
    ///
    /// Limits on size, time, redirects and reachable addresses are the fetcher's business.
    func fetch(_ url: URL) async throws -> Data
}
