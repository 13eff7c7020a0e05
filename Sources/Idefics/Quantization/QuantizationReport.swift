// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What quantizing lost, tensor by tensor.
public struct QuantizationReport: Sendable, Codable, Equatable {
    /// One quantized matrix.
    public struct Entry: Sendable, Codable, Equatable {
        /// Its name.
        public let name: String
        /// `int8`, `int4` or `nf4`.
        public let format: String
        /// √(Σ (w − ŵ)² / Σ w²).
        public let relativeError: Double
        /// The largest |w − ŵ|.
        public let largestError: Double
        /// Elements of the matrix.
        public let elementCount: Int
        /// Bytes of its codes and scales.
        public let byteCount: Int
    }

    /// Quantized matrices in the order of the checkpoint.
    public internal(set) var entries: [Entry] = []
    /// Bytes of the weights before.
    public internal(set) var sourceByteCount = 0
    /// Bytes of the weights after.
    public internal(set) var byteCount = 0

    /// Bits that an element of the matrices of `part` takes in the mean, scales included; nil when none is quantized.
    public func bitsPerWeight(_ part: QuantizationOptions.Part) -> Double? {
        let entries = entries.filter { QuantizationOptions.Part(parameter: $0.name) == part }
        let elements = entries.reduce(0) { $0 + $1.elementCount }
        guard elements > 0 else { return nil }
        return 8 * Double(entries.reduce(0) { $0 + $1.byteCount }) / Double(elements)
    }

    /// The entry with the largest relative error.
    public var worst: Entry? {
        entries.max { $0.relativeError < $1.relativeError }
    }
}
