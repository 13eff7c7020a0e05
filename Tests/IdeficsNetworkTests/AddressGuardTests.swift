// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsHTTPTestSupport
import IdeficsNetwork
import Testing

@Suite struct AddressGuardTests {
    let client = HTTPClient()

    @Test(arguments: [
        "127.0.0.1", "localhost", "0.0.0.0", "0", "127.1", "0x7f.1", "2130706433", "017700000001", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::127.0.0.1]",
    ])
    func refusesLoopbackHoweverWritten(host: String) async throws {
        let server = try TestServer { _ in .text("secret") }
        let url = try #require(URL(string: "http://\(host):\(server.port)/"))
        let error = await #expect(throws: NetworkError.self) { try await client.get(url: url, limits: .image) }
        guard case .addressNotAllowed? = error else {
            // Without IPv6 on this machine curl may refuse to try at all, which is as good.
            return #expect(host.hasPrefix("["), "\(String(describing: error))")
        }
        #expect(server.requests.isEmpty)
    }

    @Test func refusesAnAddressAfterAnUnguardedRequest() async throws {
        let server = try TestServer { _ in .text("secret") }
        _ = try await client.get(url: server.url("/"), limits: .api)
        let error = await #expect(throws: NetworkError.self) {
            try await client.get(url: server.url("/"), limits: .image)
        }
        #expect(error == .addressNotAllowed(url: "\(server.url("/"))", address: "127.0.0.1"))
        #expect(server.requests.count == 1)
    }

    @Test(
        arguments: [
            [0, 0, 0, 0], [10, 0, 0, 1], [100, 64, 0, 1], [100, 127, 255, 255], [127, 0, 0, 1], [127, 255, 255, 255],
            [169, 254, 169, 254], [172, 16, 0, 1], [172, 31, 255, 255], [192, 0, 0, 8], [192, 0, 2, 1],
            [192, 168, 1, 1],
            [198, 18, 0, 1], [198, 19, 255, 255], [198, 51, 100, 1], [203, 0, 113, 1], [224, 0, 0, 1], [239, 1, 1, 1],
            [240, 0, 0, 1], [255, 255, 255, 255],
        ] as [[UInt8]]
    )
    func isNotPublicV4(bytes: [UInt8]) {
        #expect(IPAddress(bytes: bytes)?.isPublic == false)
        let mapped = [UInt8](repeating: 0, count: 10) + [255, 255] + bytes
        #expect(IPAddress(bytes: mapped)?.isPublic == false)
        let nat64 = [0, 0x64, 0xFF, 0x9B] + [UInt8](repeating: 0, count: 8) + bytes
        #expect(IPAddress(bytes: nat64)?.isPublic == false)
    }

    @Test(
        arguments: [
            [1, 1, 1, 1], [8, 8, 8, 8], [9, 255, 255, 255], [11, 0, 0, 0], [100, 63, 255, 255], [100, 128, 0, 0],
            [126, 255, 255, 255], [128, 0, 0, 0], [169, 253, 0, 1], [172, 15, 255, 255], [172, 32, 0, 0],
            [192, 167, 255, 255], [192, 169, 0, 0], [198, 17, 0, 0], [198, 20, 0, 0], [223, 255, 255, 255],
        ] as [[UInt8]]
    )
    func isPublicV4(bytes: [UInt8]) {
        #expect(IPAddress(bytes: bytes)?.isPublic == true)
        let nat64 = [0, 0x64, 0xFF, 0x9B] + [UInt8](repeating: 0, count: 8) + bytes
        #expect(IPAddress(bytes: nat64)?.isPublic == true)
    }

    @Test(
        arguments: [
            ([0], false),  // ::
            ([0xFE, 0x80], false), ([0xFE, 0xC0], false),  // link-local, site-local
            ([0xFC, 0], false), ([0xFD, 0x12], false),  // unique local
            ([0xFF, 0x02], false),  // multicast
            ([0x20, 0x01, 0, 0], false),  // Teredo
            ([0x20, 0x01, 0x0D, 0xB8], false), ([0x3F, 0xFF, 0], false),  // documentation
            ([0x20, 0x02, 8, 8, 8, 8], false),  // 6to4
            ([0x01, 0x00], false),  // discard
            ([0x5F, 0], false),  // segment routing
            ([0x20, 0x01, 0x48, 0x60, 0x48, 0x60], true), ([0x26, 0x06, 0x47], true), ([0x2A, 0], true),
        ] as [([UInt8], Bool)]
    )
    func classifiesV6(prefix: [UInt8], isPublic: Bool) {
        let bytes = prefix + [UInt8](repeating: 0, count: 15 - prefix.count) + [1]
        #expect(IPAddress(bytes: bytes)?.isPublic == isPublic)
    }

    @Test func printsAddresses() {
        #expect(IPAddress(bytes: [169, 254, 0, 1])?.description == "169.254.0.1")
        #expect(
            IPAddress(bytes: [0x20, 1] + [UInt8](repeating: 0, count: 13) + [1])?.description == "2001:0:0:0:0:0:0:1"
        )
        #expect(IPAddress(bytes: [1, 2, 3]) == nil)
    }
}
