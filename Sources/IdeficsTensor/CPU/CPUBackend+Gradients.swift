// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

extension CPUBackend {
    package func linearInputGradient(
        _ products: [(gradient: Tensor, weight: Weight)],
        precision: Precision
    ) -> Tensor {
        let rows = products[0].gradient.shape[0]
        let inFeatures = products[0].weight.shape[1]
        let kernelProducts = products.map { product in
            precondition(
                product.gradient.shape == [rows, product.weight.shape[0]] && product.weight.shape[1] == inFeatures,
                "linearInputGradient: \(product.gradient.shape) with weight \(product.weight.shape)"
            )
            OperationCount.add(rows: rows, inner: product.weight.shape[0], columns: inFeatures)
            let weight = product.weight.kernelWeight
            return idf_linear_gradient(
                dy: product.gradient.floats,
                lddy: Int64(product.weight.shape[0]),
                weight: weight.bytes,
                dtype: weight.dtype,
                scales: weight.scales,
                n: Int64(product.weight.shape[0])
            )
        }
        return Tensor(uninitialized: [rows, inFeatures]) { dx in
            withExtendedLifetime(products) {
                WeightStream.holding(products.map { LinearProduct($0.weight) }) {
                    idf_linear_backward_input(
                        dx.floats,
                        kernelProducts,
                        Int64(kernelProducts.count),
                        Int64(rows),
                        Int64(inFeatures),
                        precision.kernelFlag
                    )
                }
            }
        }
    }

    package func linearWeightGradient(_ gradient: Tensor, x: Tensor, precision: Precision) -> Tensor {
        precondition(gradient.shape[0] == x.shape[0], "linearWeightGradient: \(gradient.shape), x \(x.shape)")
        let (rows, n, k) = (Int64(x.shape[0]), Int64(gradient.shape[1]), Int64(x.shape[1]))
        OperationCount.add(rows: gradient.shape[1], inner: x.shape[0], columns: x.shape[1])
        return Tensor(uninitialized: [gradient.shape[1], x.shape[1]]) { dw in
            withExtendedLifetime((gradient, x)) {
                idf_linear_backward_weight(
                    dw.floats,
                    gradient.floats,
                    n,
                    x.bytes,
                    x.dtype.kernelType,
                    k,
                    rows,
                    n,
                    k,
                    0,
                    precision.kernelFlag
                )
            }
        }
    }

    package func columnSums(_ a: Tensor, times b: Tensor?) -> Tensor {
        precondition(a.shape.count == 2 && (b.map { $0.shape == a.shape } ?? true), "columnSums: \(a.shape)")
        return Tensor(uninitialized: [a.shape[1]]) { sums in
            withExtendedLifetime((a, b)) {
                idf_column_sums(sums.floats, a.floats, b?.floats, Int64(a.shape[0]), Int64(a.shape[1]))
            }
        }
    }

    package func dot(_ a: Tensor, _ b: Tensor) -> Double {
        precondition(a.count == b.count, "dot: \(a.shape) and \(b.shape)")
        return withExtendedLifetime((a, b)) { idf_dot(a.floats, b.floats, Int64(a.count)) }
    }

    package func scaled(_ x: Tensor, by scale: Tensor, residual: Tensor?) -> Tensor {
        let n = x.shape.last ?? 1
        precondition(
            (scale.count == 1 || scale.count == n) && (residual.map { $0.shape == x.shape } ?? true),
            "scaled: x \(x.shape), scale \(scale.shape)"
        )
        return Tensor(uninitialized: x.shape) { y in
            withExtendedLifetime((x, scale, residual)) {
                idf_scale_add(
                    y.floats,
                    x.floats,
                    scale.floats,
                    Int64(scale.count),
                    residual?.floats,
                    Int64(n == 0 ? 0 : x.count / n),
                    Int64(n)
                )
            }
        }
    }

    package func activate(_ x: Tensor, _ activation: Activation) -> Tensor {
        Tensor(uninitialized: x.shape) { y in
            withExtendedLifetime(x) { idf_activate(y.floats, x.floats, activation.kernelActivation, Int64(x.count)) }
        }
    }

    package func activateGradient(_ gradient: Tensor, x: Tensor, _ activation: Activation) -> Tensor {
        Tensor(uninitialized: x.shape) { dx in
            withExtendedLifetime((gradient, x)) {
                idf_activate_backward(
                    dx.floats,
                    gradient.floats,
                    x.floats,
                    activation.kernelActivation,
                    Int64(x.count)
                )
            }
        }
    }

    package func swigluGradient(_ gradient: Tensor, gate: Tensor, up: Tensor) -> (gate: Tensor, up: Tensor) {
        var dup: Tensor?
        let dgate = Tensor(uninitialized: gate.shape) { dgate in
            dup = Tensor(uninitialized: up.shape) { dup in
                withExtendedLifetime((gradient, gate, up)) {
                    idf_swiglu_backward(
                        dgate.floats,
                        dup.floats,
                        gradient.floats,
                        gate.floats,
                        up.floats,
                        Int64(gate.count)
                    )
                }
            }
        }
        return (dgate, dup ?? dgate)
    }

    package func tanh(_ x: Tensor) -> Tensor {
        Tensor(uninitialized: x.shape) { y in
            withExtendedLifetime(x) { idf_tanh(y.floats, x.floats, Int64(x.count)) }
        }
    }

    package func tanhGradient(_ gradient: Tensor, y: Tensor) -> Tensor {
        Tensor(uninitialized: y.shape) { dx in
            withExtendedLifetime((gradient, y)) {
                idf_tanh_backward(dx.floats, gradient.floats, y.floats, Int64(y.count))
            }
        }
    }

    package func dropout(_ x: Tensor, probability: Double, seed: UInt64, offset: UInt64) -> Tensor {
        Tensor(uninitialized: x.shape) { y in
            withExtendedLifetime(x) { idf_dropout(y.floats, x.floats, probability, seed, offset, Int64(x.count)) }
        }
    }

    // MARK: - Norms

    package func rmsNormGradient(
        _ gradient: Tensor,
        x: Tensor,
        weight: Tensor,
        eps: Float,
        wanted: NormGradient.Wanted
    )
        -> NormGradient
    {
        let n = weight.count
        let found = NormGradient(uninitialized: wanted, x: x, weight: weight)
        withExtendedLifetime((gradient, x, weight, found)) {
            idf_rms_norm_backward(
                found.x?.floats,
                found.weight?.floats,
                gradient.floats,
                x.floats,
                weight.floats,
                eps,
                Int64(x.count / n),
                Int64(n)
            )
        }
        return found
    }

    package func layerNormGradient(
        _ gradient: Tensor,
        x: Tensor,
        weight: Tensor,
        eps: Float,
        wanted: NormGradient.Wanted
    )
        -> NormGradient
    {
        let n = weight.count
        let found = NormGradient(uninitialized: wanted, x: x, weight: weight)
        withExtendedLifetime((gradient, x, weight, found)) {
            idf_layer_norm_backward(
                found.x?.floats,
                found.weight?.floats,
                found.bias?.floats,
                gradient.floats,
                x.floats,
                weight.floats,
                eps,
                Int64(x.count / n),
                Int64(n)
            )
        }
        return found
    }

    package func columns(_ x: Tensor, _ range: Range<Int>) -> Tensor {
        let (rows, width) = (x.shape[0], x.shape[1])
        return Tensor(uninitialized: [rows, range.count]) { y in
            withExtendedLifetime(x) {
                for row in 0..<rows {
                    (y + row * range.count * 4)
                        .copyMemory(from: x.bytes + (row * width + range.lowerBound) * 4, byteCount: range.count * 4)
                }
            }
        }
    }

    // MARK: - Sums

    package func accumulate(_ gradient: Tensor, into sum: inout Tensor, at offset: Int) {
        precondition(
            offset >= 0 && offset + gradient.count <= sum.count,
            "accumulate: \(gradient.shape) into \(sum.shape)"
        )
        let target = sum.uniqueFloats() + offset
        withExtendedLifetime(gradient) { idf_add(target, target, gradient.floats, Int64(gradient.count)) }
    }

    package func scatterAdd(_ gradient: Tensor, into sum: inout Tensor, rows ids: [Int32]) {
        let width = sum.shape.dropFirst().reduce(1, *)
        precondition(
            gradient.count == ids.count * width && ids.allSatisfy { $0 >= 0 && $0 < sum.shape[0] },
            "scatterAdd: \(gradient.shape) into \(ids.count) rows of \(sum.shape)"
        )
        let target = sum.uniqueFloats()
        withExtendedLifetime(gradient) {
            idf_scatter_add(target, gradient.floats, ids, Int64(ids.count), Int64(width))
        }
    }

    package func adamW(
        _ parameter: inout Tensor,
        firstMoment: inout Tensor,
        secondMoment: inout Tensor,
        gradient: Tensor,
        _ step: AdamWStep
    ) {
        let count = Int64(parameter.count)
        var kernelStep = step.kernelStep
        let (p, m, v) = (parameter.uniqueFloats(), firstMoment.uniqueFloats(), secondMoment.uniqueFloats())
        withExtendedLifetime(gradient) { idf_adamw(p, m, v, gradient.floats, &kernelStep, count) }
    }

    package func adamW(
        _ parameter: inout Tensor,
        firstMoment: inout DynamicTensor,
        secondMoment: inout DynamicTensor,
        gradient: Tensor,
        _ step: AdamWStep
    ) {
        let count = Int64(parameter.count)
        var kernelStep = step.kernelStep
        let (p, m, v) = (parameter.uniqueFloats(), firstMoment.codes.uniqueBytes(), secondMoment.codes.uniqueBytes())
        let (mScales, vScales) = (firstMoment.scales.uniqueFloats(), secondMoment.scales.uniqueFloats())
        withExtendedLifetime(gradient) {
            idf_adamw_8bit(p, m, mScales, v, vScales, gradient.floats, &kernelStep, count)
        }
    }
}

extension AdamWStep {
    fileprivate var kernelStep: idf_adamw_step {
        idf_adamw_step(
            learning_rate: learningRate,
            beta1: beta1,
            beta2: beta2,
            eps: eps,
            weight_decay: weightDecay,
            gradient_scale: gradientScale,
            step: Int64(step)
        )
    }
}

extension NormGradient {
    /// Memory for the gradients that are `wanted` of a norm of `x`.
    fileprivate init(uninitialized wanted: Wanted, x: Tensor, weight: Tensor) {
        func memory(_ isWanted: Bool, like tensor: Tensor) -> Tensor? {
            isWanted ? Tensor(uninitialized: tensor.shape) { _ in } : nil
        }
        self.init(
            x: memory(wanted.x, like: x),
            weight: memory(wanted.weight, like: weight),
            bias: memory(wanted.bias, like: weight)
        )
    }
}
