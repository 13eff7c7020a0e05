// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor

// Norms, elements, and what moves rows about.
extension ConformanceCase {
    static let rows = norms + elements + moves

    // MARK: - Norms

    private static let norms = [(6, 6), (8, 4), (300, 300)].flatMap { columns, width in
        [
            ConformanceCase("rmsNorm, rows of \(width) in \(columns)") { device in
                var random = TestNumbers(seed: 10)
                let (x, weight) = (random.tensor(3, columns), random.tensor(width))
                let y = rmsNorm(x.to(device), weight: weight.to(device), eps: 1e-3)
                return [Comparison(y, normed(x, weight, nil, isCentered: false))]
            },
            ConformanceCase("layerNorm, rows of \(width) in \(columns)") { device in
                var random = TestNumbers(seed: 11)
                let (x, weight, bias) = (random.tensor(3, columns), random.tensor(width), random.tensor(width))
                let (own, gain) = (x.to(device), weight.to(device))
                return [
                    Comparison(
                        layerNorm(own, weight: gain, bias: bias.to(device), eps: 1e-3),
                        normed(x, weight, bias, isCentered: true)
                    ),
                    Comparison(
                        layerNorm(own, weight: gain, bias: nil, eps: 1e-3),
                        normed(x, weight, nil, isCentered: true)
                    ),
                ]
            },
        ]
    }

    private static func normed(_ x: Tensor, _ weight: Tensor, _ bias: Tensor?, isCentered: Bool) -> [Double] {
        let width = weight.count
        let (values, gain) = (x.floatArray().map(Double.init), weight.floatArray().map(Double.init))
        let shift = bias?.floatArray().map(Double.init) ?? Array(repeating: 0, count: width)
        return stride(from: 0, to: values.count, by: width).flatMap { start in
            let row = values[start..<start + width]
            let mean = isCentered ? row.reduce(0, +) / Double(width) : 0
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
            let factor = 1 / (variance + Double(Float(1e-3))).squareRoot()
            return row.enumerated().map { gain[$0] * ($1 - mean) * factor + shift[$0] }
        }
    }

    // MARK: - Elements

    private static let elements = [
        ConformanceCase("rope", tolerance: 5e-5) { device in
            var random = TestNumbers(seed: 12)
            let x = random.tensor(4, 12)
            let frequencies: [Float] = [1, 0.25, 0.01]
            let positions: [Int32] = [0, 1, 7, 300]
            let y = rope(
                x.to(device),
                positions: positions,
                inverseFrequencies: Tensor(frequencies, shape: [3]).to(device),
                heads: 2
            )
            let values = Matrix(x)
            let expected = Matrix(4, 12) { row, column in
                let (head, place) = (column / 6 * 6, column % 6)
                let angle = Double(positions[row]) * Double(frequencies[place % 3])
                let (first, second) = (values[row, head + place % 3], values[row, head + place % 3 + 3])
                return place < 3 ? first * cos(angle) - second * sin(angle) : second * cos(angle) + first * sin(angle)
            }
            return [Comparison(y, expected.values)]
        },
        ConformanceCase("swiglu") { device in
            var random = TestNumbers(seed: 13)
            let (gate, up) = (random.tensor(5, 33), random.tensor(5, 33))
            let expected = zip(Matrix(gate).values, Matrix(up).values).map { Activation.silu.value($0) * $1 }
            return [Comparison(swiglu(gate: gate.to(device), up: up.to(device)), expected)]
        },
        ConformanceCase("tanh") { device in
            let x = Tensor((0..<41).map { Float($0 - 20) / 4 }, shape: [41])
            return [Comparison(tanh(x.to(device)), x.floatArray().map { Foundation.tanh(Double($0)) })]
        },
        ConformanceCase("add") { device in
            var random = TestNumbers(seed: 14)
            let (a, b) = (random.tensor(5, 33), random.tensor(5, 33))
            let expected = zip(Matrix(a).values, Matrix(b).values).map { $0 + $1 }
            return [Comparison(add(a.to(device), b.to(device)), expected)]
        },
        ConformanceCase("cast there and back", tolerance: 0) { device in
            // Values on both sides of the middle between two of bf16's, and that middle itself: to even.
            let x = Tensor([1, 1.003, 1.00390625, 1.01171875, -2.5, 65_504, 1e-3], shape: [7])
            let bf16: [Double] = [1, 1, 1, 1.015625, -2.5, 65_536, 0.00099945068359375]
            let half = cast(x.to(device), to: .bf16)
            let f16 = cast(x.to(device), to: .f16)
            return [
                Comparison(half, bf16), Comparison(cast(half), bf16),
                Comparison(cast(f16), x.floatArray().map { Double(Float(halfRounded($0))) }),
            ]
        },
    ]

    /// `x` rounded to 11 significant bits, to nearest even; x is in f16's normal range.
    private static func halfRounded(_ x: Float) -> Double {
        let unit = Double(sign: .plus, exponent: Int(x.exponent) - 10, significand: 1)
        return (Double(x) / unit).rounded(.toNearestOrEven) * unit
    }

    // MARK: - Rows

    private static let moves =
        [
            ConformanceCase("patchify", tolerance: 0) { device in
                var random = TestNumbers(seed: 15)
                let image = random.tensor(2, 3, 4, 6)
                let values = image.floatArray().map(Double.init)
                var expected: [Double] = []
                for item in 0..<2 {
                    for (y, x) in [(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)] {
                        for channel in 0..<3 {
                            for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                                expected.append(values[((item * 3 + channel) * 4 + y + dy) * 6 + x + dx])
                            }
                        }
                    }
                }
                return [Comparison(patchify(image.to(device), patchSize: 2), expected)]
            },
            ConformanceCase("concatenate", tolerance: 0) { device in
                var random = TestNumbers(seed: 16)
                let parts = [random.tensor(2, 5), random.tensor(1, 5), random.tensor(4, 5)]
                let own = parts.map { $0.to(device) }
                let narrow = parts.map { cast($0, to: .bf16) }
                return [
                    Comparison(concatenate(own), parts.flatMap { Matrix($0).values }),
                    Comparison(concatenate(narrow.map { $0.to(device) }), narrow.flatMap { Matrix($0).values }),
                    Comparison(
                        concatenate([own[2][1..<3], own[0]]),
                        Matrix(parts[2][1..<3]).values + Matrix(parts[0]).values
                    ),
                ]
            },
            ConformanceCase("concatenateColumns", tolerance: 0) { device in
                var random = TestNumbers(seed: 17)
                let parts = [random.tensor(3, 2), random.tensor(3, 5)]
                let expected = (0..<3).flatMap { row in
                    parts.flatMap { part in (0..<part.shape[1]).map { Matrix(part)[row, $0] } }
                }
                return [Comparison(concatenateColumns(parts.map { $0.to(device) }), expected)]
            },
            ConformanceCase("gatherRows", tolerance: 0) { device in
                var random = TestNumbers(seed: 18)
                let x = random.tensor(5, 4)
                let rows = [4, 0, 4, 2]
                let expected = rows.flatMap { row in (0..<4).map { Matrix(x)[row, $0] } }
                return [Comparison(gatherRows(x.to(device), rows), expected)]
            },
        ] + embeddings

    private static let embeddings: [ConformanceCase] = {
        let dense: [(String, @Sendable (Tensor) -> Weight)] = [
            ("f32", { .dense($0) }), ("bf16", { .dense(cast($0, to: .bf16)) }), ("f16", { .dense(cast($0, to: .f16)) }),
        ]
        let quantized: [(String, @Sendable (Tensor) -> Weight)] = QuantizedTensor.Format.allCases.map { format in
            ("\(format)", { .quantized(QuantizedTensor($0, format: format), isExact: true) })
        }
        return (dense + quantized).map { name, weight in
            ConformanceCase("embedding, \(name)", tolerance: 1e-6) { device in
                var random = TestNumbers(seed: 19)
                let table = weight(random.tensor(20, 128))
                let ids: [Int32] = [19, 0, 7, 7, 16]
                let values = Matrix(table.values)
                let expected = ids.flatMap { id in (0..<128).map { values[Int(id), $0] } }
                return [Comparison(embedding(table.to(device), ids: ids), expected)]
            }
        }
    }()
}
