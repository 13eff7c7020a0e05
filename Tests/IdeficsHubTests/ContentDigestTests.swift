// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsHub
import Testing

@Suite struct ContentDigestTests {
    /// What `git hash-object` says.
    @Test func gitNames() {
        #expect(gitBlob([]) == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
        #expect(gitBlob(Array("hello\n".utf8)) == "ce013625030ba8dba906f756967f9e9ca394464a")
        #expect(gitBlob([UInt8](repeating: 97, count: 1000)) == "a50be72b20f0e3f078d252e8e56b11b4bec67509")
    }

    @Test func etagsTellTheDigest() {
        #expect(ContentDigest(etag: String(repeating: "a", count: 64)) == .sha256(String(repeating: "a", count: 64)))
        #expect(ContentDigest(etag: String(repeating: "0", count: 40)) == .gitBlob(String(repeating: "0", count: 40)))
        #expect(ContentDigest(etag: String(repeating: "A", count: 64)) == .unknown)
        #expect(ContentDigest(etag: "abc") == .unknown)
    }
}
