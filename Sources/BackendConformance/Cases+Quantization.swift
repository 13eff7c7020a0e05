// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

// Weights and moments in few bits, and the statistics of calibration.
extension ConformanceCase {
    static let quantization = formats + maps + [nestedScales, outerProducts, calibration]

    /// Rounding moves no value by more than about a step of its group; the values dequantizing gives are those of products.
    private static let formats = QuantizedTensor.Format.allCases.map { format in
        ConformanceCase("quantize to \(format)", tolerance: format.largestStep) { device in
            var random = TestNumbers(seed: 30)
            let values = random.tensor(70, 192)
            return [DType.f32, .bf16, .f16].flatMap { dtype in
                let stored = cast(values, to: dtype)
                let quantized = QuantizedTensor(stored.to(device), format: format)
                return [
                    Comparison(quantized.dequantized(), Matrix(stored).values),
                    Comparison(quantized[64..<70].dequantized(), Matrix(stored[64..<70]).values),
                ]
            }
        }
    }

    private static let maps = DynamicTensor.Map.allCases.map { map in
        ConformanceCase("8 bits by a map, \(map)", tolerance: 0) { device in
            var random = TestNumbers(seed: 31)
            let values = (0..<600).map { _ in map == .unsigned ? abs(random.next()) : random.next() }
            let found = DynamicTensor(Tensor(values, shape: [600]).to(device), map: map)
            let table = map.table
            var expected: [Double] = []
            for start in stride(from: 0, to: 600, by: DynamicTensor.blockSize) {
                let block = values[start..<min(start + DynamicTensor.blockSize, 600)]
                let scale = block.map(abs).max() ?? 0
                for value in block {
                    let nearest = table.min { abs($0 - value / scale) < abs($1 - value / scale) } ?? 0
                    expected.append(Double(nearest * scale))
                }
            }
            return [Comparison(found.dequantized(), expected)]
        }
    }

    private static let nestedScales = ConformanceCase("scales of NF4 that are quantized themselves", tolerance: 1e-6) {
        device in
        var random = TestNumbers(seed: 32)
        let (table, scales) = (random.tensor(256), random.tensor(3))
        let codes = (0..<600).map { UInt8($0 * 37 % 256) }
        let stored = Tensor(uninitialized: [600], dtype: .u8) { $0.copyMemory(from: codes, byteCount: 600) }
        let found = QuantizedTensor.nf4Scales(
            codes: stored.to(device),
            table: table.to(device),
            scales: scales.to(device),
            offset: 0.5
        )
        let (values, factors) = (Matrix(table).values, Matrix(scales).values)
        return [Comparison(found, codes.enumerated().map { values[Int($1)] * factors[$0 / 256] + 0.5 })]
    }

    private static let outerProducts = ConformanceCase("sums of outer products, differences") { device in
        var random = TestNumbers(seed: 33)
        let (a, b) = (random.tensor(9, 20), random.tensor(9, 33))
        var sum = OuterProduct(20, 33, on: device)
        sum.add(a.to(device), b.to(device))
        sum.add(a.to(device)[0..<4], b.to(device)[0..<4])
        let whole = (Matrix(a).transposed * Matrix(b)).values
        let part = (Matrix(a[0..<4]).transposed * Matrix(b[0..<4])).values
        let other = random.tensor(9, 20)
        return [
            Comparison(sum.sum, zip(whole, part).map { $0 + $1 }),
            Comparison(
                a.to(device).minus(other.to(device)),
                zip(Matrix(a).values, Matrix(other).values).map { $0 - $1 }
            ),
        ]
    }

    /// Calibrated rounding serves its inputs better than rounding each value by itself does.
    ///
    /// How much better is what tests of quantization measure.
    private static let calibration = ConformanceCase("calibrated rounding", tolerance: 0) { device in
        var random = TestNumbers(seed: 34)
        let inputs = random.tensor(300, 128)
        let weight = random.tensor(40, 128)
        var sum = OuterProduct(128, 128, on: device)
        sum.add(inputs.to(device), inputs.to(device))
        guard let statistics = InputStatistics(consume sum, damping: 0.01) else {
            return [Comparison(Tensor.zeros([0], on: device), [0])]
        }
        func error(_ quantized: QuantizedTensor) -> Double {
            let rounded = Matrix(quantized.dequantized().toHost())
            let products = Matrix(inputs) * rounded.transposed
            let wanted = Matrix(inputs) * Matrix(weight).transposed
            return zip(products.values, wanted.values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        }
        let plain = error(QuantizedTensor(weight, format: .int4))
        let found = statistics.rounded(weight.to(device), format: .int4, drift: nil, sweeps: 2)
        return [Comparison(Tensor([error(found) < plain ? Float(0) : 1], shape: [1]).to(device), [0])]
    }
}

extension QuantizedTensor.Format {
    /// How far from a value of −1...1 the nearest in its group may be, with scales that are searched.
    fileprivate var largestStep: Double {
        switch self {
        case .int8: 1.0 / 120
        case .int4: 1.0 / 6
        case .nf4: 1.0 / 6
        }
    }
}
