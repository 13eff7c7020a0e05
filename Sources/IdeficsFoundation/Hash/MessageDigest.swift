// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CCrypto

/// A running cryptographic hash, which libcrypto computes.
package final class MessageDigest {
    /// Which hash.
    package enum Algorithm: String, Sendable {
        /// What git names contents by; not safe against forgery.
        case sha1 = "SHA-1"
        /// SHA-256 (FIPS 180-4).
        case sha256 = "SHA-256"
    }

    /// The library could not compute a hash, which it does not say why.
    package struct Failure: Error, CustomStringConvertible {
        let algorithm: Algorithm

        package var description: String { "libcrypto cannot compute \(algorithm.rawValue) here" }
    }

    private let algorithm: Algorithm
    private let context: OpaquePointer?
    private var isWhole: Bool

    /// A hash of nothing yet.
    package init(_ algorithm: Algorithm) {
        self.algorithm = algorithm
        context = EVP_MD_CTX_new()
        isWhole =
            context != nil && EVP_DigestInit_ex(context, algorithm == .sha1 ? EVP_sha1() : EVP_sha256(), nil) == 1
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes.
    package func update(_ bytes: UnsafeRawBufferPointer) {
        isWhole = isWhole && EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1
    }

    /// The digest of what was added, as lower-case hexadecimal digits; nothing can be added afterwards.
    ///
    /// - Throws: `Failure` when the library refused a step, as it does where its configuration forbids the algorithm.
    package func hexDigest() throws -> String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard isWhole, EVP_DigestFinal_ex(context, &digest, &count) == 1 else { throw Failure(algorithm: algorithm) }
        isWhole = false
        return digest.prefix(Int(count)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// The digest of `bytes`.
    ///
    /// - Throws: `Failure`.
    package static func hexDigest(_ algorithm: Algorithm, of bytes: UnsafeRawBufferPointer) throws -> String {
        let digest = MessageDigest(algorithm)
        digest.update(bytes)
        return try digest.hexDigest()
    }
}
