// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

// The operations of the engine as functions. Each picks the backend of its input and is defined, shape by shape, at the
// `Backend` requirement of the same name. Where an input is recorded, so is the operation (Gradients/Recording.swift).

/// One product of an input with a weight, with what follows it in the same pass over memory:
/// `residual + scale ⊙ activation(x · weightᵀ + bias + adapter(x))`.
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
    /// Added to the product; nil for none.
    public var adapter: LowRankAdapter?

    /// A product with `weight`.
    public init(
        _ weight: Weight,
        bias: Tensor? = nil,
        activation: Activation = .none,
        scale: Tensor? = nil,
        residual: Tensor? = nil,
        adapter: LowRankAdapter? = nil
    ) {
        self.weight = weight
        self.bias = bias
        self.activation = activation
        self.scale = scale
        self.residual = residual
        self.adapter = adapter
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
public func linear(_ x: Tensor, _ products: [LinearProduct], precision: Precision = .f32) -> [Tensor] {
    if products.contains(where: { $0.adapter != nil }) {
        return adaptedLinear(x, products, precision: precision)
    }
    guard x.isRecorded || products.contains(where: \.isRecorded) else {
        return x.backend.linear(x, products, precision: precision)
    }
    return recordedLinear(x, products, precision: precision)
}

/// One product; see `Backend.linear`.
public func linear(_ x: Tensor, _ product: LinearProduct, precision: Precision = .f32) -> Tensor {
    linear(x, [product], precision: precision)[0]
}

/// Softmax attention of each segment's queries over its keys; see `Backend.attention`.
public func attention(
    _ q: Tensor,
    _ segments: [AttentionSegment],
    heads: Int,
    kvHeads: Int,
    scale: Float,
    dropout: AttentionDropout? = nil
) -> Tensor {
    let output = q.backend.attention(q, segments, heads: heads, kvHeads: kvHeads, scale: scale, dropout: dropout)
    let arePagesRecorded = segments.contains { !$0.pages.targets.isEmpty }
    guard q.isRecorded || arePagesRecorded else { return output }
    return recordAttention(
        output,
        AttentionCall(
            q: q,
            output: output,
            segments: segments,
            heads: heads,
            kvHeads: kvHeads,
            scale: scale,
            dropout: dropout,
            isQueryWanted: q.isRecorded,
            arePagesWanted: arePagesRecorded
        )
    )
}

/// Copies bytes of a device's memory; see `Backend.copyBytes`.
package func copyBytes(from source: MemoryPlace, to target: MemoryPlace, byteCount: Int) {
    source.storage.device.backend.copyBytes(from: source, to: target, byteCount: byteCount)
}

/// Stores keys or values; see `Backend.writeKeyValueRows`.
package func writeKeyValueRows(_ x: Tensor, to place: MemoryPlace, type: KeyValueType, kvHeads: Int) {
    x.backend.writeKeyValueRows(x, to: place, type: type, kvHeads: kvHeads)
}

/// Root-mean-square normalization of rows; see `Backend.rmsNorm`.
public func rmsNorm(_ x: Tensor, weight: Tensor, eps: Float) -> Tensor {
    let y = x.backend.rmsNorm(x, weight: weight, eps: eps)
    return x.isRecorded || weight.isRecorded ? recordRMSNorm(y, x, weight: weight, eps: eps) : y
}

/// Layer normalization of rows; see `Backend.layerNorm`.
public func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor?, eps: Float) -> Tensor {
    let y = x.backend.layerNorm(x, weight: weight, bias: bias, eps: eps)
    guard x.isRecorded || weight.isRecorded || bias?.isRecorded == true else { return y }
    return recordLayerNorm(y, x, weight: weight, bias: bias, eps: eps)
}

/// Rotary position embedding; see `Backend.rope`.
public func rope(_ x: Tensor, positions: [Int32], inverseFrequencies: Tensor, heads: Int) -> Tensor {
    let y = x.backend.rope(x, positions: positions, inverseFrequencies: inverseFrequencies, heads: heads)
    guard x.isRecorded else { return y }
    return recordRope(y, x, positions: positions, inverseFrequencies: inverseFrequencies, heads: heads)
}

/// `silu(gate) ⊙ up`; see `Backend.swiglu`.
public func swiglu(gate: Tensor, up: Tensor) -> Tensor {
    let y = gate.backend.swiglu(gate: gate, up: up)
    return gate.isRecorded || up.isRecorded ? recordSwiGLU(y, gate: gate, up: up) : y
}

/// `a + b`, shapes equal; see `Backend.add`.
public func add(_ a: Tensor, _ b: Tensor) -> Tensor {
    let y = a.backend.add(a, b)
    return a.isRecorded || b.isRecorded ? recordAdd(y, a, b) : y
}

/// tanh(x); see `GradientBackend.tanh`.
public func tanh(_ x: Tensor) -> Tensor {
    let y = x.backend.tanh(x)
    return x.isRecorded ? recordTanh(y, x) : y
}

/// `x` with each element dropped with `probability` (in 0..<1) and the others divided by 1 − `probability`.
///
/// Whether element i is dropped is a function of `seed`, `offset` + i and `probability` alone: the same call drops the
/// same elements on every machine and thread count. Calls that are to differ use offsets at least `x.count` apart.
public func dropout(_ x: Tensor, probability: Double, seed: UInt64, offset: UInt64 = 0) -> Tensor {
    precondition(probability >= 0 && probability < 1, "dropout: probability \(probability)")
    guard probability > 0 else { return x }
    let y = x.training.dropout(x, probability: probability, seed: seed, offset: offset)
    return x.isRecorded ? recordDropout(y, x, probability: probability, seed: seed, offset: offset) : y
}

/// Rows `ids` of `table` in f32; see `Backend.embedding`.
public func embedding(_ table: Weight, ids: [Int32]) -> Tensor {
    let y = table.device.backend.embedding(table, ids: ids)
    return table.isRecorded ? recordEmbedding(y, table, ids: ids) : y
}

/// `x` in another floating-point type; see `Backend.cast`.
public func cast(_ x: Tensor, to dtype: DType = .f32) -> Tensor {
    let y = x.backend.cast(x, to: dtype)
    return x.isRecorded && x.dtype != dtype ? recordCast(y, x) : y
}

/// Patches of images as rows; see `Backend.patchify`.
public func patchify(_ images: Tensor, patchSize: Int) -> Tensor {
    images.backend.patchify(images, patchSize: patchSize)
}

/// Rows of several tensors one after the other; see `Backend.concatenate`.
public func concatenate(_ parts: [Tensor]) -> Tensor {
    precondition(!parts.isEmpty, "concatenate: nothing to join")
    let y = parts[0].backend.concatenate(parts)
    return parts.count > 1 && parts.contains(where: \.isRecorded) ? recordConcatenate(y, parts) : y
}

/// Columns of several tensors side by side; see `Backend.concatenateColumns`.
public func concatenateColumns(_ parts: [Tensor]) -> Tensor {
    precondition(!parts.isEmpty, "concatenateColumns: nothing to join")
    let y = parts[0].backend.concatenateColumns(parts)
    return parts.count > 1 && parts.contains(where: \.isRecorded) ? recordConcatenateColumns(y, parts) : y
}

/// Rows `indices` of `x`; see `Backend.gatherRows`.
public func gatherRows(_ x: Tensor, _ indices: [Int]) -> Tensor {
    let y = x.backend.gatherRows(x, indices)
    return x.isRecorded ? recordGatherRows(y, x, indices) : y
}

extension Tensor {
    /// What computes with this tensor.
    var backend: any Backend { storage.device.backend }

    /// What differentiates operations on this tensor.
    ///
    /// - Precondition: its device can train.
    var training: any TrainingBackend {
        guard let training = storage.device.training else { preconditionFailure("\(storage.device) cannot train") }
        return training
    }
}

extension Weight {
    /// Where it lies.
    public var device: Device {
        switch self {
        case .dense(let tensor): tensor.device
        case .quantized(let tensor, _): tensor.codes.device
        }
    }

    /// The same weight in the memory of `device`.
    public func to(_ device: Device) -> Weight {
        switch self {
        case .dense(let tensor): .dense(tensor.to(device))
        case .quantized(let tensor, let isExact): .quantized(tensor.to(device), isExact: isExact)
        }
    }
}
