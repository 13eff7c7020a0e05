// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// `Σ aᵀ b` over pieces of two matrices with the same rows, in f32.
package struct OuterProduct {
    /// `[a's columns, b's columns]`.
    package private(set) var sum: Tensor

    /// Nothing added yet.
    package init(_ rows: Int, _ columns: Int, on device: Device = .cpu) {
        sum = Tensor.zeros([rows, columns], on: device)
    }

    /// Adds `aᵀ b` of more rows: `a` is `[n, rows]`, `b` `[n, columns]`.
    package mutating func add(_ a: Tensor, _ b: Tensor) {
        precondition(
            a.shape == [b.shape[0], sum.shape[0]] && b.shape[1] == sum.shape[1],
            "OuterProduct: \(sum.shape) of \(a.shape) and \(b.shape)"
        )
        a.quantization.addOuterProduct(a, b, to: &sum)
    }
}

extension Tensor {
    /// The elements minus those of `other`, both in f32 and of one shape.
    package func minus(_ other: Tensor) -> Tensor { quantization.subtract(self, other) }
}

/// What rounding a weight needs to know of the inputs it is multiplied with.
package struct InputStatistics {
    /// Σ x xᵀ, damped, `[inFeatures, inFeatures]`.
    private let hessian: Tensor
    /// Its factorization, of the same shape.
    private let factor: Tensor

    /// Statistics of inputs whose Σ x xᵀ is `products`; nil when the inputs hold infinities or NaN, or damping does not make
    /// them definite.
    ///
    /// - Parameters:
    ///   - products: the sum of the outer products of the inputs.
    ///   - damping: what is added to the diagonal, as a part of its mean.
    package init?(_ products: consuming OuterProduct, damping: Double) {
        var hessian = products.sum
        _ = consume products  // Nobody else holds the sum then, and it is damped in place.
        guard let factor = hessian.quantization.factorHessian(&hessian, damping: damping) else { return nil }
        (self.hessian, self.factor) = (hessian, factor)
    }

    /// `weight` rounded so that its products with the inputs change least.
    ///
    /// - Parameters:
    ///   - weight: `[outFeatures, inFeatures]` in f32, bf16 or f16.
    ///   - format: `int8` or `int4`.
    ///   - drift: Σ (wanted output − weight · x) xᵀ, what the rounded weight shall make good besides; nil for nothing.
    ///   - sweeps: how often all codes are gone over again.
    /// - Returns: the rounded weight.
    package func rounded(
        _ weight: Tensor,
        format: QuantizedTensor.Format,
        drift: OuterProduct?,
        sweeps: Int
    ) -> QuantizedTensor {
        let shape = weight.shape
        precondition(
            format != .nf4 && shape.count == 2 && weight.dtype.isWeight && shape[1] == hessian.shape[0]
                && drift.map { $0.sum.shape == shape } ?? true,
            "rounded: \(weight.dtype) \(shape) to \(format), inputs of \(hessian.shape[0])"
        )
        return weight.quantization.quantize(
            CalibratedRoundingCall(
                weight: weight,
                format: format,
                hessian: hessian,
                factor: factor,
                drift: drift?.sum,
                sweeps: sweeps
            )
        )
    }
}
