// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
internal import IdeficsNetwork

/// Fetches images by http and https with limits on size, time, redirects and addresses.
public struct WebImageFetcher: ImageFetcher {
    private let client = HTTPClient()
    private let limits: HTTPLimits

    /// A fetcher with the given limits; time and redirects are those of `HTTPLimits.image` (60 s, 5 redirects).
    ///
    /// - Parameters:
    ///   - maxBytes: largest file to accept.
    ///   - allowPrivateAddresses: whether loopback, private and other non-public addresses may be reached.
    public init(maxBytes: Int = ImageLimits().maxBytes, allowPrivateAddresses: Bool = false) {
        var limits = HTTPLimits.image
        limits.maxBytes = Int64(maxBytes)
        limits.allowPrivateAddresses = allowPrivateAddresses
        self.limits = limits
    }

    /// The bytes behind `url`; throws `NetworkError` for what is not there, too large, too slow or out of bounds.
    public func fetch(_ url: URL) async throws -> Data {
        Data(try await client.get(url: url, limits: limits).checked().body)
    }
}
