// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsHub
import IdeficsTestSupport
import Testing

@Suite struct DigestTests {
    private func digest(_ bytes: [UInt8], portable: Bool, pieces: [Int] = []) -> String {
        var hash = SHA256(portable: portable)
        var rest = bytes[...]
        for count in pieces {
            Array(rest.prefix(count)).withUnsafeBytes { hash.update($0) }
            rest = rest.dropFirst(count)
        }
        Array(rest).withUnsafeBytes { hash.update($0) }
        return hash.hexDigest()
    }

    /// FIPS 180-4's examples.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (String(repeating: "a", count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ])
    func sha256(text: String, expected: String) {
        #expect(digest(Array(text.utf8), portable: false) == expected)
        #expect(digest(Array(text.utf8), portable: true) == expected)
    }

    @Test func implementationsAgreeAtEveryLength() {
        var random = SeededGenerator(seed: 1)
        for count in 0..<300 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let pieces = (0..<4).map { _ in Int.random(in: 0...100, using: &random) }
            let expected = digest(bytes, portable: true)
            #expect(digest(bytes, portable: false) == expected)
            #expect(digest(bytes, portable: false, pieces: pieces) == expected)
            #expect(digest(bytes, portable: true, pieces: pieces) == expected)
        }
    }

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
