// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// An IPv4 or IPv6 address.
package struct IPAddress: Equatable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes in network order.
    package let bytes: [UInt8]

    /// An address from 4 or 16 bytes in network order.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// True if the address belongs to a host on the public Internet.
    ///
    /// Source: IANA's special-purpose address registries (RFC 6890 and its updates). Everything not known to be
    /// public is refused. IPv6 that embeds IPv4 (mapped, compatible, 6to4, Teredo) is refused as a whole: no resolver
    /// gives it for a public host; NAT64 (RFC 6052) is how IPv6-only networks reach IPv4, so there the embedded
    /// address decides.
    package var isPublic: Bool {
        bytes.count == 4 ? Self.isPublicV4(bytes) : Self.isPublicV6(bytes)
    }

    private static func isPublicV4(_ b: [UInt8]) -> Bool {
        let address = UInt32(b[0]) << 24 | UInt32(b[1]) << 16 | UInt32(b[2]) << 8 | UInt32(b[3])
        return !specialV4.contains { base, length in (address ^ base) >> (32 - length) == 0 }
    }

    private static func isPublicV6(_ b: [UInt8]) -> Bool {
        if b.starts(with: [0x00, 0x64, 0xFF, 0x9B]), b[4..<12].allSatisfy({ $0 == 0 }) {
            return isPublicV4(Array(b[12...]))
        }
        guard b[0] & 0xE0 == 0x20 else { return false }  // 2000::/3 is the only global unicast space
        let isProtocolAssignment = b[0] == 0x20 && b[1] == 0x01 && b[2] < 2  // 2001::/23: Teredo, ORCHID, …
        let isDocumentation =
            b.starts(with: [0x20, 0x01, 0x0D, 0xB8]) || b[0] == 0x3F && b[1] == 0xFF && b[2] < 16  // 3fff::/20
        let is6to4 = b[0] == 0x20 && b[1] == 0x02
        return !(isProtocolAssignment || isDocumentation || is6to4)
    }

    /// Prefix and its length of every IPv4 block that is not public.
    private static let specialV4: [(base: UInt32, length: UInt32)] = [
        (0x0000_0000, 8),  // 0.0.0.0/8 this network
        (0x0A00_0000, 8),  // 10.0.0.0/8 private
        (0x6440_0000, 10),  // 100.64.0.0/10 carrier-grade NAT
        (0x7F00_0000, 8),  // 127.0.0.0/8 loopback
        (0xA9FE_0000, 16),  // 169.254.0.0/16 link-local, cloud metadata
        (0xAC10_0000, 12),  // 172.16.0.0/12 private
        (0xC000_0000, 24),  // 192.0.0.0/24 protocol assignments
        (0xC000_0200, 24),  // 192.0.2.0/24 documentation
        (0xC058_6300, 24),  // 192.88.99.0/24 6to4 relays
        (0xC0A8_0000, 16),  // 192.168.0.0/16 private
        (0xC612_0000, 15),  // 198.18.0.0/15 benchmarks
        (0xC633_6400, 24),  // 198.51.100.0/24 documentation
        (0xCB00_7100, 24),  // 203.0.113.0/24 documentation
        (0xE000_0000, 4),  // 224.0.0.0/4 multicast
        (0xF000_0000, 4),  // 240.0.0.0/4 reserved and broadcast
    ]

    /// Dotted decimal, or eight groups of hexadecimal digits.
    package var description: String {
        if bytes.count == 4 { return bytes.map { String($0) }.joined(separator: ".") }
        return stride(from: 0, to: 16, by: 2)
            .map { String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16) }
            .joined(separator: ":")
    }
}
