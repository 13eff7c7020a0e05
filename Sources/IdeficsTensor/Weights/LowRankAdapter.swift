// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What is added to the product with a weight: `scaling · dropout(x) · aᵀ · bᵀ` (LoRA, Hu et al., arXiv:2106.09685,
/// section 4.1).
public struct LowRankAdapter: Sendable {
    /// The elements of x that a pass of training leaves out; see `dropout`.
    public struct Dropout: Sendable, Equatable {
        /// Share of elements left out, in 0..<1.
        public var probability: Double
        /// Which ones: layers and passes that are to differ have different seeds.
        public var seed: UInt64

        /// Leaves out elements with `probability`.
        public init(probability: Double, seed: UInt64) {
            self.probability = probability
            self.seed = seed
        }
    }

    /// `[r, inFeatures]` in f32, bf16 or f16.
    public let a: Tensor
    /// `[outFeatures, r]` in f32, bf16 or f16.
    public let b: Tensor
    /// Factor of the product.
    public let scaling: Float
    /// nil outside of training.
    public let dropout: Dropout?

    /// An adapter of a weight `[outFeatures, inFeatures]`.
    ///
    /// - Precondition: `a` and `b` have one rank, 1 or more.
    public init(a: Tensor, b: Tensor, scaling: Float, dropout: Dropout? = nil) {
        precondition(
            a.shape.count == 2 && b.shape.count == 2 && a.shape[0] == b.shape[1] && a.shape[0] > 0,
            "LowRankAdapter: a \(a.shape), b \(b.shape)"
        )
        self.a = a
        self.b = b
        self.scaling = scaling
        self.dropout = dropout.flatMap { $0.probability > 0 ? $0 : nil }
    }

    /// The same adapter in the memory of `device`.
    public func to(_ device: Device) -> LowRankAdapter {
        guard device !== a.device else { return self }
        return LowRankAdapter(a: a.to(device), b: b.to(device), scaling: scaling, dropout: dropout)
    }

    /// Bytes that a product with it reads.
    public var byteCount: Int { a.byteCount + b.byteCount }

    /// `weight + scaling · b · a`, in f32: the weight that does what `weight` and the adapter do together.
    ///
    /// - Parameter weight: `[outFeatures, inFeatures]`, in any floating-point type.
    /// - Returns: `[outFeatures, inFeatures]`.
    public func merged(with weight: Tensor) -> Tensor {
        precondition(weight.shape == [b.shape[0], a.shape[1]], "merged: \(weight.shape), a \(a.shape), b \(b.shape)")
        let (rank, columns) = (a.shape[0], a.shape[1])
        let values = cast(a).toHost()
        let transposed = Tensor(uninitialized: [columns, rank]) { pointer in
            let result = pointer.assumingMemoryBound(to: Float.self)
            values.withFloats { a in
                for row in 0..<rank {
                    for column in 0..<columns { result[column * rank + row] = a[row * columns + column] }
                }
            }
        }
        return linear(cast(b), LinearProduct(.dense(transposed.to(a.device)), scale: scale, residual: cast(weight)))
    }

    /// `scaling · dropout(x) · aᵀ`, `[rows, r]`: what is left of the adapter is the product with `bᵀ`.
    func scaledInput(_ x: Tensor, precision: Precision) -> Tensor {
        let input = dropout.map { IdeficsTensor.dropout(x, probability: $0.probability, seed: $0.seed) } ?? x
        return linear(input, LinearProduct(.dense(a), scale: scale), precision: precision)
    }

    fileprivate var scale: Tensor { Tensor([scaling], shape: [1]).to(a.device) }
}

/// `linear` when a product has an adapter: the small products first, whose result the large ones add as they are written.
func adaptedLinear(_ x: Tensor, _ products: [LinearProduct], precision: Precision) -> [Tensor] {
    let updates = lowRankInputs(x, products.compactMap(\.adapter), precision: precision)
    var next = 0
    let plain = products.map { product in
        guard let adapter = product.adapter else { return product }
        defer { next += 1 }
        // An activation or a factor is of the sum, so the sum comes first and they follow it.
        let isSplit = product.hasFactor
        let update = LinearProduct(
            .dense(adapter.b),
            scale: adapter.scale,
            residual: isSplit ? nil : product.residual
        )
        return LinearProduct(
            product.weight,
            bias: product.bias,
            residual: linear(updates[next], update, precision: precision)
        )
    }
    return zip(linear(x, plain, precision: precision), products).map { result, product in
        product.adapter != nil && product.hasFactor ? product.followed(result) : result
    }
}

/// `dropout(x) · aᵀ` of each adapter, `[rows, r]`: in one region unless each has an input of its own.
private func lowRankInputs(_ x: Tensor, _ adapters: [LowRankAdapter], precision: Precision) -> [Tensor] {
    guard adapters.contains(where: { $0.dropout != nil }) else {
        return linear(x, adapters.map { LinearProduct(.dense($0.a)) }, precision: precision)
    }
    return adapters.map { adapter in
        let input = adapter.dropout.map { dropout(x, probability: $0.probability, seed: $0.seed) } ?? x
        return linear(input, LinearProduct(.dense(adapter.a)), precision: precision)
    }
}

extension LinearProduct {
    /// Whether something happens to the product before the residual is added.
    fileprivate var hasFactor: Bool { activation != .none || scale != nil }

    /// What follows the product with its bias, `[rows, outFeatures]`, as operations of their own.
    func followed(_ product: Tensor) -> Tensor {
        let activated = activate(product, activation)
        if let scale { return scaled(activated, by: scale, residual: residual) }
        return residual.map { add(activated, $0) } ?? activated
    }
}
