// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The matrix of a linear layer or embedding, `[outFeatures, inFeatures]`, in any form the engine multiplies with.
public enum Weight: Sendable {
    /// Elements in f32, bf16 or f16.
    case dense(Tensor)
    /// Codes with scales.
    ///
    /// With `isExact` products are those of the dequantized weight, bit for bit; otherwise the input is quantized, too
    /// (8 bits for `int4`, 16 bits for `int8`), which is several times faster. `nf4` then differs by rounding only.
    case quantized(QuantizedTensor, isExact: Bool)

    /// `[outFeatures, inFeatures]`.
    public var shape: [Int] {
        switch self {
        case .dense(let tensor): tensor.shape
        case .quantized(let tensor, _): tensor.shape
        }
    }

    /// Bytes that a product with it reads.
    public var byteCount: Int {
        switch self {
        case .dense(let tensor): tensor.byteCount
        case .quantized(let tensor, _): tensor.byteCount
        }
    }

    /// The elements as a tensor: as they are, or dequantized to f32.
    public var values: Tensor {
        switch self {
        case .dense(let tensor): tensor
        case .quantized(let tensor, _): tensor.dequantized()
        }
    }
}
