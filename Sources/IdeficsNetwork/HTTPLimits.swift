// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// How long, how large and where to a request may go.
public struct HTTPLimits: Sendable, Equatable {
    /// Largest body, in bytes; a larger `Content-Length` is refused before any of it is read.
    public var maxBytes: Int64
    /// Longest time until the connection (TCP and TLS) is ready.
    public var connectTimeout: Duration
    /// Longest time for the whole request with all its redirects; nil for no limit.
    public var totalTimeout: Duration?
    /// Lowest average speed, in bytes per second, over `lowSpeedTimeout`.
    public var lowSpeedBytesPerSecond: Int
    /// Longest time below the lowest speed, in whole seconds.
    public var lowSpeedTimeout: Duration
    /// Largest number of redirects followed.
    public var maxRedirects: Int
    /// Whether loopback, link-local, private, multicast and other non-public addresses may be reached.
    ///
    /// When false, each address is checked as the socket to it is opened, so that neither a redirect nor a DNS answer
    /// that changes between two look-ups gets around it. A proxy would hide the address, so proxy settings of the
    /// environment are ignored then.
    public var allowPrivateAddresses: Bool

    /// Makes limits; the defaults suit a document of unknown origin.
    ///
    /// - Parameters:
    ///   - maxBytes: Largest body, in bytes.
    ///   - connectTimeout: Longest time until the connection is ready.
    ///   - totalTimeout: Longest time for the whole request; nil for no limit.
    ///   - lowSpeedBytesPerSecond: Lowest average speed.
    ///   - lowSpeedTimeout: Longest time below the lowest speed.
    ///   - maxRedirects: Largest number of redirects followed.
    ///   - allowPrivateAddresses: Whether non-public addresses may be reached.
    public init(
        maxBytes: Int64 = 32 << 20,
        connectTimeout: Duration = .seconds(10),
        totalTimeout: Duration? = .seconds(60),
        lowSpeedBytesPerSecond: Int = 64,
        lowSpeedTimeout: Duration = .seconds(20),
        maxRedirects: Int = 5,
        allowPrivateAddresses: Bool = false
    ) {
        self.maxBytes = maxBytes
        self.connectTimeout = connectTimeout
        self.totalTimeout = totalTimeout
        self.lowSpeedBytesPerSecond = lowSpeedBytesPerSecond
        self.lowSpeedTimeout = lowSpeedTimeout
        self.maxRedirects = maxRedirects
        self.allowPrivateAddresses = allowPrivateAddresses
    }

    /// For one image of unknown origin: 32 MiB, 60 s, 5 redirects, public addresses only.
    public static let image = HTTPLimits()

    /// For small answers of a server the user chose: any address, proxies of the environment respected.
    public static let api = HTTPLimits(maxBytes: 64 << 20, maxRedirects: 10, allowPrivateAddresses: true)

    /// For large files of a server the user chose: any size, any address, as long as it moves.
    public static let download = HTTPLimits(
        maxBytes: .max,
        totalTimeout: nil,
        lowSpeedBytesPerSecond: 256,
        lowSpeedTimeout: .seconds(30),
        maxRedirects: 10,
        allowPrivateAddresses: true
    )
}
