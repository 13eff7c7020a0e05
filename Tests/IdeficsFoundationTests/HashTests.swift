// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import Testing

@Suite struct HashTests {
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
    func sha256(text: String, expected: String) throws {
        let bytes = Array(text.utf8)
        #expect(try bytes.withUnsafeBytes { try MessageDigest.hexDigest(.sha256, of: $0) } == expected)
        let digest = MessageDigest(.sha256)
        for piece in [bytes[..<(bytes.count / 3)], bytes[(bytes.count / 3)...]] {
            Array(piece).withUnsafeBytes { digest.update($0) }
        }
        #expect(try digest.hexDigest() == expected)
    }

    @Test func sha1() throws {
        let digest = MessageDigest(.sha1)
        Array("abc".utf8).withUnsafeBytes { digest.update($0) }
        #expect(try digest.hexDigest() == "a9993e364706816aba3e25717850c26c9cd0d89d")
        // A digest that was asked for has nothing more to say.
        #expect(throws: MessageDigest.Failure.self) { try digest.hexDigest() }
    }

    /// RFC 3720, appendix B.4, and the check values of the CRC catalogue.
    @Test func checksums() {
        #expect(CRC32.checksum([UInt8](repeating: 0, count: 32), .castagnoli) == 0x8A91_36AA)
        #expect(CRC32.checksum([UInt8](repeating: 0xFF, count: 32), .castagnoli) == 0x62A8_AB43)
        #expect(CRC32.checksum("123456789".utf8, .castagnoli) == 0xE306_9283)
        #expect(CRC32.checksum("123456789".utf8, .zlib) == 0xCBF4_3926)
        var pieces = CRC32(.zlib)
        pieces.update("1234".utf8)
        // A sequence that lies in no memory.
        pieces.update((5...9).lazy.map { UInt8(ascii: "0") + $0 })
        #expect(pieces.value == 0xCBF4_3926)
    }

    @Test func stableHashIsFNV() {
        #expect(stableHash("") == 0xCBF2_9CE4_8422_2325)
        #expect(stableHash("a") == 0xAF63_DC4C_8601_EC8C)
    }

    @Test func contentHashDependsOnEveryByteAndTheSeed() {
        var seen: Set<UInt64> = []
        for count in 1...70 {
            var bytes = [UInt8](repeating: 0, count: count)
            seen.insert(bytes.withUnsafeBytes { contentHash($0, seed: 1 << 32) })
            seen.insert(bytes.withUnsafeBytes { contentHash($0, seed: 2 << 32) })
            for index in bytes.indices {
                bytes[index] = 1
                seen.insert(bytes.withUnsafeBytes { contentHash($0, seed: 1 << 32) })
                bytes[index] = 0
            }
        }
        #expect(seen.count == 2 * 70 + 70 * 71 / 2)
    }
}
