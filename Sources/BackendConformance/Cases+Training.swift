// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor

// What training does besides gradients of operations: sums, steps of the optimizer, the loss.
extension ConformanceCase {
    static let training = [inputGradients, weightGradients, sums, accumulation, loss] + steps

    private static let inputGradients = ConformanceCase("linear, gradients of inputs through every weight") { device in
        var random = TestNumbers(seed: 20)
        let (gradient, values) = (random.tensor(9, 40), random.tensor(40, 128))
        let weights: [Weight] =
            [.dense(values), .dense(cast(values, to: .bf16)), .dense(cast(values, to: .f16))]
            + QuantizedTensor.Format.allCases.map { .quantized(QuantizedTensor(values, format: $0), isExact: false) }
        return weights.map { weight in
            let x = Tensor.zeros([9, 128], on: device).trainable()
            let y = linear(x, LinearProduct(weight.to(device)))
            let found = IdeficsTensor.gradients(of: y, seed: gradient.to(device))[x]
            return Comparison(
                found ?? Tensor.zeros([0], on: device),
                (Matrix(gradient) * Matrix(weight.values)).values
            )
        }
    }

    private static let weightGradients = ConformanceCase("linear in bf16, gradients", tolerance: 2e-5) { device in
        var random = TestNumbers(seed: 21)
        let (x, w, gradient) = (random.tensor(19, 75), random.tensor(37, 75), random.tensor(19, 37))
        let (input, weight) = (x.to(device).trainable(precision: .bf16), w.to(device).trainable(precision: .bf16))
        let y = linear(input, LinearProduct(.dense(weight)), precision: .bf16)
        let found = IdeficsTensor.gradients(of: y, seed: gradient.to(device))
        let rounded = [x, w, gradient].map { Matrix(cast($0, to: .bf16)) }
        return [
            Comparison(found[input] ?? Tensor.zeros([0], on: device), (rounded[2] * rounded[1]).values),
            Comparison(found[weight] ?? Tensor.zeros([0], on: device), (rounded[2].transposed * rounded[0]).values),
        ]
    }

    private static let sums = ConformanceCase("squared norm") { device in
        var random = TestNumbers(seed: 22)
        let x = random.tensor(1003)
        let found = Tensor([Float(squaredNorm(x.to(device)))], shape: [1]).to(device)
        return [Comparison(found, [x.floatArray().reduce(0.0) { $0 + Double($1) * Double($1) }])]
    }

    /// Uses of one parameter: whole, as rows, by ids.
    private static let accumulation = ConformanceCase("gradients of several uses are added") { device in
        var random = TestNumbers(seed: 23)
        let seed = random.tensor(8, 3)
        let x = random.tensor(4, 3).to(device).trainable()
        let y = concatenate([x, x[1..<3], gatherRows(x, [3, 1])])
        let found = IdeficsTensor.gradients(of: y, seed: seed.to(device))[x]
        var expected = Matrix(seed[0..<4])
        for (row, target) in [(4, 1), (5, 2), (6, 3), (7, 1)] {
            for column in 0..<3 { expected[target, column] += Matrix(seed)[row, column] }
        }
        return [Comparison(found ?? Tensor.zeros([0], on: device), expected.values)]
    }

    private static let loss = ConformanceCase("cross-entropy and z-loss") { device in
        var random = TestNumbers(seed: 24)
        let (hidden, head, extra) = (random.tensor(5, 6), random.tensor(70, 6), random.tensor(2, 6))
        let targets = [3, -100, 71, 0, 7]
        let own = linearCrossEntropy(
            hidden.to(device),
            heads: [.dense(head.to(device)), .dense(extra.to(device))],
            targets: targets,
            zLossWeight: 0.25
        )
        let logits = Matrix(hidden) * Matrix(concatenate([head, extra])).transposed
        let rows = targets.indices.filter { targets[$0] >= 0 }
        let logsumexps = rows.map { row in log((0..<72).reduce(0.0) { $0 + exp(logits[row, $1]) }) }
        let crossEntropy = zip(rows, logsumexps).reduce(0.0) { $0 + $1.1 - logits[$1.0, targets[$1.0]] } / 4
        let zMean = logsumexps.reduce(0.0) { $0 + $1 * $1 } / 4
        let found = [own.crossEntropy, own.zMean, own.total.toHost().floatArray()[0]]
        return [Comparison(Tensor(found, shape: [3]).to(device), [crossEntropy, zMean, crossEntropy + 0.25 * zMean])]
    }

    // MARK: - AdamW

    /// Three steps with decay and scaled gradients; torch's `AdamW`.
    private static let steps = [
        ConformanceCase("AdamW") { device in
            var random = TestNumbers(seed: 25)
            let start = random.tensor(600)
            var parameter = start.to(device)
            var (first, second) = (Tensor.zeros([600], on: device), Tensor.zeros([600], on: device))
            var expected = start.floatArray().map(Double.init)
            var (m, v) = (Array(repeating: 0.0, count: 600), Array(repeating: 0.0, count: 600))
            for step in 1...3 {
                let gradient = random.tensor(600)
                adamWStep(
                    &parameter,
                    firstMoment: &first,
                    secondMoment: &second,
                    gradient: gradient.to(device),
                    AdamWStep(
                        learningRate: 0.01,
                        beta1: 0.9,
                        beta2: 0.99,
                        eps: 1e-6,
                        weightDecay: 0.1,
                        gradientScale: 0.5,
                        step: step
                    )
                )
                for (index, value) in gradient.floatArray().enumerated() {
                    let g = Double(value) * 0.5
                    expected[index] *= 1 - 0.01 * 0.1
                    m[index] = 0.9 * m[index] + 0.1 * g
                    v[index] = 0.99 * v[index] + 0.01 * g * g
                    let root = (v[index] / (1 - pow(0.99, Double(step)))).squareRoot()
                    expected[index] -= 0.01 * (m[index] / (1 - pow(0.9, Double(step)))) / (root + 1e-6)
                }
            }
            return [Comparison(parameter, expected), Comparison(first, m), Comparison(second, v)]
        },
        // The moments are what dequantizing them says; one step from zero is torch's.
        ConformanceCase("AdamW with moments of 8 bits", tolerance: 1e-2) { device in
            var random = TestNumbers(seed: 26)
            let (start, gradient) = (random.tensor(600), random.tensor(600, margin: 0.1))
            var parameter = start.to(device)
            var first = DynamicTensor(zeros: [600], map: .signed).to(device)
            var second = DynamicTensor(zeros: [600], map: .unsigned).to(device)
            adamWStep(
                &parameter,
                firstMoment: &first,
                secondMoment: &second,
                gradient: gradient.to(device),
                AdamWStep(learningRate: 0.01, step: 1)
            )
            let g = gradient.floatArray().map(Double.init)
            let expected = zip(start.floatArray(), g).map { Double($0) - 0.01 * ($1 > 0 ? 1 : -1) }
            return [
                Comparison(parameter, expected), Comparison(first.dequantized(), g.map { 0.1 * $0 }),
                Comparison(second.dequantized(), g.map { 0.001 * $0 * $0 }),
            ]
        },
    ]
}
