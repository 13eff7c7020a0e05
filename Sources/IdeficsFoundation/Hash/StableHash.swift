// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsHash

/// A hash of `text` that is the same in every run and on every machine, unlike Swift's own: FNV-1a, 64 bits.
package func stableHash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}

/// A hash of many bytes, the same in every run and on every machine, at the speed of memory.
///
/// It is not cryptographic: compare the bytes when hashes agree.
///
/// - Parameters:
///   - bytes: what is hashed.
///   - seed: what else tells it from others, such as its shape.
/// - Returns: the hash.
package func contentHash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    idf_content_hash(bytes.baseAddress, bytes.count, seed)
}
