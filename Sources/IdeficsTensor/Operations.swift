// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// The operations of the engine as functions. Each picks the backend of its input and is defined, shape by shape, at the
// `Backend` requirement of the same name.

/// One product of an input with a weight, with what follows it in the same pass over memory:
/// `residual + scale ⊙ activation(x · weightᵀ + bias)`.
public struct LinearProduct: Sendable {
    /// `[outFeatures, inFeatures]`.
    public var weight: Weight
    /// `[outFeatures]` in f32.
    public var bias: Tensor?
    /// Applied to the product with its bias.
    public var activation: Activation
    /// `[1]` or `[outFeatures]` in f32.
    public var scale: Tensor?
    /// `[rows, outFeatures]` in f32, added last.
    public var residual: Tensor?

    /// A product with `weight`.
    public init(
        _ weight: Weight,
        bias: Tensor? = nil,
        activation: Activation = .none,
        scale: Tensor? = nil,
        residual: Tensor? = nil
    ) {
        self.weight = weight
        self.bias = bias
        self.activation = activation
        self.scale = scale
        self.residual = residual
    }
}

/// An element-wise function.
public enum Activation: String, Sendable {
    /// x
    case none
    /// max(x, 0)
    case relu
    /// x · Φ(x), exact (erf)
    case gelu
    /// x · σ(x)
    case silu
    /// x · σ(1.702 x), OpenAI's CLIP
    case quickGelu = "quick_gelu"
}

/// Several products of the same `x` in one parallel region; see `Backend.linear`.
public func linear(_ x: Tensor, _ products: [LinearProduct]) -> [Tensor] {
    x.backend.linear(x, products)
}

/// One product; see `Backend.linear`.
public func linear(_ x: Tensor, _ product: LinearProduct) -> Tensor {
    x.backend.linear(x, [product])[0]
}

/// Softmax attention of each segment's queries over its keys; see `Backend.attention`.
public func attention(_ q: Tensor, _ segments: [AttentionSegment], heads: Int, kvHeads: Int, scale: Float) -> Tensor {
    q.backend.attention(q, segments, heads: heads, kvHeads: kvHeads, scale: scale)
}

/// Stores keys or values; see `Backend.writeKeyValueRows`.
package func writeKeyValueRows(_ x: Tensor, to rows: UnsafeMutableRawPointer, type: KeyValueType, kvHeads: Int) {
    x.backend.writeKeyValueRows(x, to: rows, type: type, kvHeads: kvHeads)
}

/// Root-mean-square normalisation of rows; see `Backend.rmsNorm`.
public func rmsNorm(_ x: Tensor, weight: Tensor, eps: Float) -> Tensor {
    x.backend.rmsNorm(x, weight: weight, eps: eps)
}

/// Layer normalisation of rows; see `Backend.layerNorm`.
public func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor?, eps: Float) -> Tensor {
    x.backend.layerNorm(x, weight: weight, bias: bias, eps: eps)
}

/// Rotary position embedding; see `Backend.rope`.
public func rope(_ x: Tensor, positions: [Int32], inverseFrequencies: Tensor, heads: Int) -> Tensor {
    x.backend.rope(x, positions: positions, inverseFrequencies: inverseFrequencies, heads: heads)
}

/// `silu(gate) ⊙ up`; see `Backend.swiglu`.
public func swiglu(gate: Tensor, up: Tensor) -> Tensor {
    gate.backend.swiglu(gate: gate, up: up)
}

/// `a + b`, shapes equal; see `Backend.add`.
public func add(_ a: Tensor, _ b: Tensor) -> Tensor {
    a.backend.add(a, b)
}

/// Rows `ids` of `table` in f32; see `Backend.embedding`.
public func embedding(_ table: Weight, ids: [Int32]) -> Tensor {
    table.backend.embedding(table, ids: ids)
}

/// `x` in another floating-point type; see `Backend.cast`.
public func cast(_ x: Tensor, to dtype: DType = .f32) -> Tensor {
    x.backend.cast(x, to: dtype)
}

/// Patches of images as rows; see `Backend.patchify`.
public func patchify(_ images: Tensor, patchSize: Int) -> Tensor {
    images.backend.patchify(images, patchSize: patchSize)
}

/// Rows of several tensors one after the other; see `Backend.concatenate`.
public func concatenate(_ parts: [Tensor]) -> Tensor {
    precondition(!parts.isEmpty, "concatenate: nothing to join")
    return parts[0].backend.concatenate(parts)
}

/// Columns of several tensors side by side; see `Backend.concatenateColumns`.
public func concatenateColumns(_ parts: [Tensor]) -> Tensor {
    precondition(!parts.isEmpty, "concatenateColumns: nothing to join")
    return parts[0].backend.concatenateColumns(parts)
}

/// Rows `indices` of `x`; see `Backend.gatherRows`.
public func gatherRows(_ x: Tensor, _ indices: [Int]) -> Tensor {
    x.backend.gatherRows(x, indices)
}

extension Tensor {
    /// What computes on this tensor.
    ///
    /// Today every tensor lies in main memory.
    var backend: any Backend { CPUBackend() }
}

extension Weight {
    /// What computes with this weight.
    var backend: any Backend { CPUBackend() }
}
