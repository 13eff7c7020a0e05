// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct LowRankAdapterTests {
    private func tensor(_ shape: [Int], _ random: inout SeededGenerator) -> Tensor {
        Tensor((0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }, shape: shape)
    }

    private func difference(_ a: Tensor, _ b: Tensor) -> Float {
        #expect(a.shape == b.shape)
        return zip(a.floatArray(), b.floatArray()).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }

    /// What the parts compute one after the other; rows for the streaming kernels and the tiled ones.
    @Test(arguments: [1, 3, 40])
    func isTheSumOfItsParts(rows: Int) {
        var random = SeededGenerator(seed: 1)
        let x = tensor([rows, 70], &random)
        let (weight, bias) = (Weight.dense(tensor([33, 70], &random)), tensor([33], &random))
        let (gate, residual) = (tensor([33], &random), tensor([rows, 33], &random))
        let adapter = LowRankAdapter(a: tensor([5, 70], &random), b: tensor([33, 5], &random), scaling: 0.3)
        let inner = linear(x, LinearProduct(.dense(adapter.a)))
        let scale = Tensor([Float(0.3)], shape: [1])
        let update = linear(inner, LinearProduct(.dense(adapter.b), scale: scale))
        for activation in [Activation.none, .silu] {
            for (gate, residual) in [(nil, nil), (gate, nil), (nil, residual), (gate, residual)] as [(Tensor?, Tensor?)]
            {
                var expected = activate(add(linear(x, LinearProduct(weight, bias: bias)), update), activation)
                if let gate { expected = scaled(expected, by: gate) }
                if let residual { expected = add(expected, residual) }
                var product = LinearProduct(weight, bias: bias, activation: activation, scale: gate, residual: residual)
                product.adapter = adapter
                #expect(difference(linear(x, product), expected) < 2e-5)
                // Beside a product without one, which keeps its bits.
                let both = linear(x, [LinearProduct(weight, bias: bias), product])
                #expect(both[0].floatArray() == linear(x, LinearProduct(weight, bias: bias)).floatArray())
                #expect(both[1].floatArray() == linear(x, product).floatArray())
            }
        }
    }

    @Test(arguments: [DType.f32, .bf16, .f16])
    func mergesIntoOneWeight(dtype: DType) {
        var random = SeededGenerator(seed: 2)
        let weight = cast(tensor([33, 70], &random), to: dtype)
        let (a, b) = (cast(tensor([5, 70], &random), to: dtype), tensor([33, 5], &random))
        let adapter = LowRankAdapter(a: a, b: b, scaling: 0.5)
        let merged = adapter.merged(with: weight)
        #expect(merged.dtype == .f32)
        let (w, af, bf) = (cast(weight).floatArray(), cast(a).floatArray(), b.floatArray())
        for row in 0..<33 {
            for column in 0..<70 {
                let sum = (0..<5).reduce(Float(0)) { $0 + bf[row * 5 + $1] * af[$1 * 70 + column] }
                #expect(abs(merged.floatArray()[row * 70 + column] - (w[row * 70 + column] + 0.5 * sum)) < 1e-5)
            }
        }
        let x = tensor([7, 70], &random)
        let beside = linear(x, LinearProduct(.dense(weight), adapter: adapter))
        #expect(difference(linear(x, LinearProduct(.dense(merged))), beside) < 5e-5)
    }

    /// Gradients through a quantised base are those through its values.
    @Test(arguments: QuantizedTensor.Format.allCases)
    func quantizedBasesGiveTheGradientsOfTheirValues(format: QuantizedTensor.Format) throws {
        var random = SeededGenerator(seed: 3)
        let base = QuantizedTensor(tensor([96, 128], &random), format: format)
        let (x, seed) = (tensor([9, 128], &random), tensor([9, 96], &random))
        let (a, b) = (tensor([4, 128], &random), tensor([96, 4], &random))
        let results = try [Weight.quantized(base, isExact: true), .dense(base.dequantized())].map { weight in
            let leaves = [x, a, b].map { $0.trainable() }
            let dropout = LowRankAdapter.Dropout(probability: 0.2, seed: 5)
            let adapter = LowRankAdapter(a: leaves[1], b: leaves[2], scaling: 2, dropout: dropout)
            let found = gradients(of: linear(leaves[0], LinearProduct(weight, adapter: adapter)), seed: seed)
            return try leaves.map { try #require(found[$0]) }
        }
        for (found, expected) in zip(results[0], results[1]) { #expect(difference(found, expected) < 2e-4) }
    }
}
