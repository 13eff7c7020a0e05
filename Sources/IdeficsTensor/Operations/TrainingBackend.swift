// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What a device must be able to do for training, beside the operations of `Backend`.
///
/// `gradient` is that of an operation's result. Results are fresh tensors; what is not wanted is nil.
public protocol TrainingBackend: Backend {
    /// Σ gradientᵢ · weightᵢ, `[rows, inFeatures]`: what the products of one input with weights give back to it.
    func linearInputGradient(_ products: [(gradient: Tensor, weight: Weight)], precision: Precision) -> Tensor

    /// gradientᵀ · x, `[outFeatures, inFeatures]`; `x` is f32 or bf16.
    func linearWeightGradient(_ gradient: Tensor, x: Tensor, precision: Precision) -> Tensor

    /// Sums over the rows of `a`, or of `a ⊙ b`, of `[rows, features]`: `[features]`.
    func columnSums(_ a: Tensor, times b: Tensor?) -> Tensor

    /// Σ a ⊙ b.
    func dot(_ a: Tensor, _ b: Tensor) -> Double

    /// `scale ⊙ x + residual`; `scale` is `[1]` or `[features]`.
    func scaled(_ x: Tensor, by scale: Tensor, residual: Tensor?) -> Tensor

    /// `activation(x)`.
    func activate(_ x: Tensor, _ activation: Activation) -> Tensor

    /// The gradient of `activate`'s input.
    func activateGradient(_ gradient: Tensor, x: Tensor, _ activation: Activation) -> Tensor

    /// Gradients of `attention` with respect to q (nil if not wanted) and to the keys and values of each page.
    ///
    /// Pages are told apart by the places of their keys; those of no gradient are not in the result.
    func attentionGradient(_ gradient: Tensor, _ call: AttentionCall) -> AttentionGradient

    /// Gradients of `rmsNorm`.
    func rmsNormGradient(
        _ gradient: Tensor,
        x: Tensor,
        weight: Tensor,
        eps: Float,
        wanted: NormGradient.Wanted
    )
        -> NormGradient

    /// Gradients of `layerNorm`.
    func layerNormGradient(
        _ gradient: Tensor,
        x: Tensor,
        weight: Tensor,
        eps: Float,
        wanted: NormGradient.Wanted
    )
        -> NormGradient

    /// Gradients of `swiglu`.
    func swigluGradient(_ gradient: Tensor, gate: Tensor, up: Tensor) -> (gate: Tensor, up: Tensor)

    /// The gradient of `tanh`'s input, from its result.
    func tanhGradient(_ gradient: Tensor, y: Tensor) -> Tensor

    /// `x` with elements dropped and the others divided by 1 − `probability`; see `dropout`.
    func dropout(_ x: Tensor, probability: Double, seed: UInt64, offset: UInt64) -> Tensor

    /// Adds f32 elements to those of `sum` from `offset` on.
    func accumulate(_ gradient: Tensor, into sum: inout Tensor, at offset: Int)

    /// Adds rows of `gradient` to the rows `ids` of `sum`, in order.
    func scatterAdd(_ gradient: Tensor, into sum: inout Tensor, rows ids: [Int32])

    /// Cross-entropy of `hidden · headsᵀ` and its gradients; see `CrossEntropyCall`.
    func crossEntropy(_ call: CrossEntropyCall) -> CrossEntropyGradient

    /// Columns `range` of `x`, `[rows, columns]` in f32.
    func columns(_ x: Tensor, _ range: Range<Int>) -> Tensor

    /// One step of AdamW on `parameter` and its moments.
    func adamW(
        _ parameter: inout Tensor,
        firstMoment: inout Tensor,
        secondMoment: inout Tensor,
        gradient: Tensor,
        _ step: AdamWStep
    )

    /// The same with moments in 8 bits.
    func adamW(
        _ parameter: inout Tensor,
        firstMoment: inout DynamicTensor,
        secondMoment: inout DynamicTensor,
        gradient: Tensor,
        _ step: AdamWStep
    )
}

/// An attention that was computed.
public struct AttentionCall: Sendable {
    /// `[rows, heads · headDim]`.
    public var q: Tensor
    /// Its result, like `q`.
    public var output: Tensor
    /// Queries and the keys they see.
    public var segments: [AttentionSegment]
    /// Heads of queries.
    public var heads: Int
    /// Heads of keys.
    public var kvHeads: Int
    /// Multiplies scores.
    public var scale: Float
    /// Which weights were dropped.
    public var dropout: AttentionDropout?
    /// Whether the gradient of `q` is wanted.
    public var isQueryWanted: Bool
    /// Whether gradients of keys and values are wanted.
    public var arePagesWanted: Bool
}

/// Gradients of an attention.
public struct AttentionGradient: Sendable {
    /// Like `q`.
    public var q: Tensor?
    /// `[pageTokens, kvHeads · headDim]` for each distinct page, in the order of first use.
    public var pages: [Page]

    /// Gradients of a query (nil if not wanted) and of pages.
    public init(q: Tensor?, pages: [Page]) {
        self.q = q
        self.pages = pages
    }

    /// Gradients of a page.
    public struct Page: Sendable {
        /// Segment in which it is used first.
        public var segment: Int
        /// Its place among the pages of that segment.
        public var index: Int
        /// Gradient of the keys.
        public var k: Tensor
        /// Gradient of the values.
        public var v: Tensor

        /// Gradients of the page `index` of `segment`.
        public init(segment: Int, index: Int, k: Tensor, v: Tensor) {
            (self.segment, self.index, self.k, self.v) = (segment, index, k, v)
        }
    }
}

/// Gradients of a norm.
public struct NormGradient: Sendable {
    /// Like the input.
    public var x: Tensor?
    /// `[features]`.
    public var weight: Tensor?
    /// `[features]`.
    public var bias: Tensor?

    /// Gradients; nil for those not wanted.
    public init(x: Tensor?, weight: Tensor?, bias: Tensor?) {
        (self.x, self.weight, self.bias) = (x, weight, bias)
    }

    /// Which of them are wanted.
    public struct Wanted: Sendable {
        /// The input's.
        public var x: Bool
        /// The weight's.
        public var weight: Bool
        /// The bias's.
        public var bias = false
    }
}
