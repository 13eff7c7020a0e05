// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor

// Products of linear layers: every kind of weight, everything that follows a product, both precisions.
extension ConformanceCase {
    static let products = weights + epilogues + [severalProducts, oneRow, inBF16]

    /// Rows on both sides of what kernels do at once, sizes that are no multiples of anything.
    private static func product(
        _ name: String,
        tolerance: Double = 2e-5,
        _ weight: @escaping @Sendable (Tensor) -> Weight
    ) -> [ConformanceCase] {
        [(1, 33, 70), (5, 17, 128), (40, 96, 64)].map { rows, n, k in
            ConformanceCase("linear, \(name), [\(rows), \(k)] · [\(k), \(n)]", tolerance: tolerance) { device in
                var random = TestNumbers(seed: UInt64(rows))
                let (x, values) = (random.tensor(rows, k), random.tensor(n, k))
                let weight = weight(values)
                let y = linear(x.to(device), LinearProduct(weight.to(device)))
                return [Comparison(y, (Matrix(x) * Matrix(weight.values).transposed).values)]
            }
        }
    }

    private static let weights =
        product("f32") { .dense($0) }
        + product("bf16") { .dense(cast($0, to: .bf16)) }
        + product("f16") { .dense(cast($0, to: .f16)) }
        + QuantizedTensor.Format.allCases.flatMap { format in
            product("exact \(format)") { .quantized(QuantizedTensor($0, format: format), isExact: true) }
        }
        // Inputs are rounded to 8 bits for each 64 columns: half a step of the largest of them, summed at random.
        + [QuantizedTensor.Format.int8, .int4].flatMap { format in
            product("\(format)", tolerance: 0.1) { .quantized(QuantizedTensor($0, format: format), isExact: false) }
        }

    private static let epilogues = [Activation.none, .relu, .gelu, .silu, .quickGelu].flatMap { activation in
        [1, 19].map { scales in
            ConformanceCase("linear, bias, \(activation), \(scales) factors, residual") { device in
                var random = TestNumbers(seed: 2)
                let (x, w, bias) = (random.tensor(7, 40), random.tensor(19, 40), random.tensor(19))
                let (scale, residual) = (random.tensor(scales), random.tensor(7, 19))
                let product = LinearProduct(
                    .dense(w.to(device)),
                    bias: bias.to(device),
                    activation: activation,
                    scale: scale.to(device),
                    residual: residual.to(device)
                )
                let sums = Matrix(x) * Matrix(w).transposed
                let (b, s, r) = (Matrix(bias), Matrix(scale), Matrix(residual))
                let expected = Matrix(7, 19) { row, column in
                    r[row, column] + s[0, scales == 1 ? 0 : column]
                        * activation.value(sums[row, column] + b[0, column])
                }
                return [Comparison(linear(x.to(device), product), expected.values)]
            }
        }
    }

    private static let severalProducts = ConformanceCase("linear, three products of one input") { device in
        var random = TestNumbers(seed: 3)
        let x = random.tensor(6, 24)
        let weights = [random.tensor(5, 24), random.tensor(64, 24), random.tensor(1, 24)]
        let found = linear(x.to(device), weights.map { LinearProduct(.dense($0.to(device))) })
        return zip(found, weights).map { Comparison($0, (Matrix(x) * Matrix($1).transposed).values) }
    }

    private static let oneRow = ConformanceCase("linear, a view of rows") { device in
        var random = TestNumbers(seed: 4)
        let (x, w) = (random.tensor(9, 16), random.tensor(12, 16))
        let y = linear(x.to(device)[3..<5], LinearProduct(.dense(w.to(device)[2..<9])))
        return [Comparison(y, (Matrix(x[3..<5]) * Matrix(w[2..<9]).transposed).values)]
    }

    private static let inBF16 = ConformanceCase("linear in bf16") { device in
        var random = TestNumbers(seed: 5)
        let (x, w) = (random.tensor(9, 75), random.tensor(37, 75))
        let y = linear(x.to(device), LinearProduct(.dense(w.to(device))), precision: .bf16)
        let rounded = [x, w].map { Matrix(cast($0, to: .bf16)) }
        return [Comparison(y, (rounded[0] * rounded[1].transposed).values)]
    }
}

extension Weight {
    /// The values in main memory.
    var values: Tensor {
        switch self {
        case .dense(let tensor): tensor
        case .quantized(let tensor, _): tensor.dequantized()
        }
    }
}

extension Activation {
    /// Its value at `x`.
    func value(_ x: Double) -> Double {
        switch self {
        case .none: x
        case .relu: max(x, 0)
        case .gelu: x * 0.5 * erfc(-x / 2.0.squareRoot())
        case .silu: x / (1 + exp(-x))
        case .quickGelu: x / (1 + exp(-1.702 * x))
        }
    }
}
