// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

/// `Σ aᵀ b` over pieces of two matrices with the same rows, in f32.
package struct OuterProduct {
    /// `[a's columns, b's columns]`.
    package let sum: Tensor

    /// Nothing added yet.
    package init(_ rows: Int, _ columns: Int) {
        sum = Tensor.zeros([rows, columns])
    }

    /// Adds `aᵀ b` of more rows: `a` is `[n, rows]`, `b` `[n, columns]`.
    package func add(_ a: Tensor, _ b: Tensor) {
        precondition(
            a.shape == [b.shape[0], sum.shape[0]] && b.shape[1] == sum.shape[1],
            "OuterProduct: \(sum.shape) of \(a.shape) and \(b.shape)"
        )
        let (left, right) = (a.transposed(), b.transposed())
        let job = idf_linear_job(
            weight: right.bytes,
            dtype: IDF_F32,
            scales: nil,
            exact: 1,
            bf16: 0,
            n: Int64(sum.shape[1]),
            bias: nil,
            activation: IDF_ACT_NONE,
            scale: nil,
            scale_count: 0,
            residual: UnsafePointer(sum.floats),
            y: sum.floats,
            ldy: Int64(sum.shape[1])
        )
        let tokens = Int64(a.shape[0])
        withExtendedLifetime((left, right, self)) {
            withUnsafePointer(to: job) { idf_linear($0, 1, left.floats, tokens, Int64(sum.shape[0]), tokens) }
        }
    }
}

extension Tensor {
    /// `[columns, rows]` of an f32 matrix `[rows, columns]`.
    package func transposed() -> Tensor {
        precondition(shape.count == 2, "transposed: \(shape)")
        return Tensor(uninitialized: [shape[1], shape[0]]) { y in
            withExtendedLifetime(self) { idf_transpose(y.floats, floats, Int64(shape[0]), Int64(shape[1])) }
        }
    }

    /// The elements minus those of `other`, both in f32 and of one shape.
    package func minus(_ other: Tensor) -> Tensor {
        precondition(shape == other.shape, "minus: \(shape), \(other.shape)")
        return Tensor(uninitialized: shape) { result in
            withFloats { a in
                other.withFloats { b in
                    let result = result.floats
                    for index in 0..<a.count { result[index] = a[index] - b[index] }
                }
            }
        }
    }
}

/// What rounding a weight needs to know of the inputs it is multiplied with.
package struct InputStatistics {
    /// Σ x xᵀ, damped, `[inFeatures, inFeatures]`.
    private let hessian: Tensor
    /// Its factorisation, of the same shape.
    private let factor: Tensor

    /// Statistics of inputs whose Σ x xᵀ is `products`, which are used up; nil when the inputs hold infinities or NaN, or
    /// damping does not make them definite.
    ///
    /// - Parameters:
    ///   - products: the sum of the outer products of the inputs.
    ///   - damping: what is added to the diagonal, as a part of its mean.
    package init?(_ products: OuterProduct, damping: Double) {
        let hessian = products.sum
        let size = hessian.shape[0]
        let storage = TensorStorage(byteCount: size * size * 8)
        let isDefinite = withExtendedLifetime(hessian) {
            idf_factor_hessian(
                storage.pointer.assumingMemoryBound(to: Double.self),
                hessian.floats,
                Int64(size),
                damping
            )
        }
        guard isDefinite != 0 else { return nil }
        self.hessian = hessian
        factor = Tensor(shape: [size, size], dtype: .f32, storage: storage)
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
        let scales = TensorStorage(byteCount: QuantizedTensor.scaleCount(format, shape: shape) * 2)
        let codes = Tensor(uninitialized: [QuantizedTensor.codeByteCount(format, shape: shape)], dtype: .u8) { codes in
            withExtendedLifetime((weight, self, drift)) {
                var job = idf_calibrated_weight(
                    format: format.kernelType,
                    dtype: weight.dtype.kernelType,
                    weight: weight.bytes,
                    drift: drift.map { UnsafePointer($0.sum.floats) },
                    hessian: UnsafePointer(hessian.floats),
                    factor: UnsafePointer(factor.floats),
                    k: Int64(shape[1]),
                    sweeps: Int64(sweeps)
                )
                idf_quantize_calibrated(codes, scales.pointer, &job, Int64(shape[0]))
            }
        }
        return QuantizedTensor(
            format: format,
            shape: shape,
            codes: codes,
            scales: Tensor(
                shape: [QuantizedTensor.scaleCount(format, shape: shape)],
                dtype: QuantizedTensor.scaleType(format),
                storage: scales
            )
        )
    }
}
