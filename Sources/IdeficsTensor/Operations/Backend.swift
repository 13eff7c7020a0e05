// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The only seam below the tensor: what a device must be able to do to run a model.
///
/// Operations read their inputs, which lie in the device's memory, and return fresh tensors there; they need not be done
/// when the call returns, only in order. Activations are f32 and `[rows, features]`. Shapes are checked here with
/// `precondition`: whatever comes from outside has been checked before.
public protocol Backend: Sendable {
    /// `residual + scale ⊙ activation(x · weightᵀ + bias)` for each product.
    ///
    /// `x` is `[rows, inFeatures]`; each result `[rows, outFeatures]`.
    func linear(_ x: Tensor, _ products: [LinearProduct], precision: Precision) -> [Tensor]

    /// `softmax(scale · q kᵀ) v` for the queries of each segment; rows of no segment are zero.
    ///
    /// `q` and the result are `[rows, heads · headDim]`; keys and values have `kvHeads`, which divides `heads`. With
    /// `dropout` weights after the softmax are dropped.
    func attention(
        _ q: Tensor,
        _ segments: [AttentionSegment],
        heads: Int,
        kvHeads: Int,
        scale: Float,
        dropout: AttentionDropout?
    ) -> Tensor

    /// Writes the rows of `x`, `[rows, kvHeads · headDim]`, as keys or values stored as `type`, one after the other from
    /// `place` on.
    func writeKeyValueRows(_ x: Tensor, to place: MemoryPlace, type: KeyValueType, kvHeads: Int)

    /// Copies `byteCount` bytes of the device's memory: pages that are shared until one of their owners goes on.
    func copyBytes(from source: MemoryPlace, to target: MemoryPlace, byteCount: Int)

    /// `weight ⊙ x · rsqrt(mean(x²) + eps)` over the rows of length `weight.count`.
    func rmsNorm(_ x: Tensor, weight: Tensor, eps: Float) -> Tensor

    /// `weight ⊙ (x − mean) · rsqrt(variance + eps) + bias` over the rows of length `weight.count`.
    func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor?, eps: Float) -> Tensor

    /// Rotates the halves of each head of `x`, `[rows, heads · headDim]`, by `position · inverseFrequencies`.
    func rope(_ x: Tensor, positions: [Int32], inverseFrequencies: Tensor, heads: Int) -> Tensor

    /// `silu(gate) ⊙ up`.
    func swiglu(gate: Tensor, up: Tensor) -> Tensor

    /// tanh(x).
    func tanh(_ x: Tensor) -> Tensor

    /// `a + b`.
    func add(_ a: Tensor, _ b: Tensor) -> Tensor

    /// Rows `ids` of `table`, `[vocabulary, features]`, as f32 `[ids, features]`.
    func embedding(_ table: Weight, ids: [Int32]) -> Tensor

    /// `x` as f32, or f32 `x` as bf16 or f16, rounded to nearest even.
    func cast(_ x: Tensor, to dtype: DType) -> Tensor

    /// Patches of `images`, `[images, channels, height, width]`, as rows in the order of a convolution's weight:
    /// `[images · (height / patch) · (width / patch), channels · patch · patch]`.
    func patchify(_ images: Tensor, patchSize: Int) -> Tensor

    /// The rows of all `parts` one after the other; trailing shapes and dtypes are equal.
    func concatenate(_ parts: [Tensor]) -> Tensor

    /// The columns of all `parts`, each `[rows, ·]` in f32, side by side.
    func concatenateColumns(_ parts: [Tensor]) -> Tensor

    /// Rows `indices` of `x`.
    func gatherRows(_ x: Tensor, _ indices: [Int]) -> Tensor
}
