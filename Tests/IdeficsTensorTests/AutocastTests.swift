// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct AutocastTests {
    private func random(_ shape: [Int], _ random: inout SeededGenerator) -> Tensor {
        Tensor((0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }, shape: shape)
    }

    private func rounded(_ x: Tensor) -> Tensor { cast(cast(x, to: .bf16)) }

    /// Products, forward and back, are those of rounded values; what is not a product is not rounded.
    @Test(arguments: [DType.f32, .bf16])
    func productsAreThoseOfRoundedValues(stored: DType) {
        var generator = SeededGenerator(seed: 5)
        let (x, bias) = (random([19, 75], &generator), random([37], &generator))
        let weight = cast(random([37, 75], &generator), to: stored)
        let seed = random([19, 37], &generator)
        let (xLeaf, wLeaf) = (x.trainable(), weight.trainable())
        let y = autocast(to: .bf16) { linear(xLeaf, LinearProduct(.dense(wLeaf), bias: bias)) }
        let found = gradients(of: y, seed: seed)

        let (xRounded, wRounded) = (rounded(x).trainable(), rounded(weight).trainable())
        let expected = linear(xRounded, LinearProduct(.dense(wRounded), bias: bias))
        #expect(maxDifference(y.floatArray(), expected.floatArray()) < 1e-5)
        let own = gradients(of: expected, seed: rounded(seed))
        #expect(maxDifference(found[xLeaf]?.floatArray() ?? [], own[xRounded]?.floatArray() ?? []) < 1e-5)
        #expect(maxDifference(found[wLeaf]?.floatArray() ?? [], own[wRounded]?.floatArray() ?? []) < 1e-5)

        let exact = linear(x, LinearProduct(.dense(weight), bias: bias))
        let difference = maxDifference(y.floatArray(), exact.floatArray())
        #expect(difference > 1e-4 && difference < 0.1)
    }

    /// A quantised weight is rounded as it is multiplied, its input not quantised.
    @Test(arguments: [QuantizedTensor.Format.int8, .int4, .nf4], [true, false])
    func quantizedWeights(format: QuantizedTensor.Format, isExact: Bool) {
        var generator = SeededGenerator(seed: 6)
        let x = random([21, 128], &generator)
        let weight = QuantizedTensor(random([33, 128], &generator), format: format)
        let y = autocast(to: .bf16) { linear(x, LinearProduct(.quantized(weight, isExact: isExact))) }
        let expected = linear(rounded(x), LinearProduct(.dense(rounded(weight.dequantized()))))
        #expect(maxDifference(y.floatArray(), expected.floatArray()) < 1e-5)
    }

    /// The scope ends with its body, may be left inside, and holds for the way back wherever that begins.
    @Test func theScopeIsThatOfTheBody() {
        var generator = SeededGenerator(seed: 7)
        let x = random([8, 64], &generator)
        let w = random([16, 64], &generator).trainable()
        let plain = linear(x, LinearProduct(.dense(w)))
        let inside = autocast(to: .bf16) {
            (linear(x, LinearProduct(.dense(w))), autocast(to: .f32) { linear(x, LinearProduct(.dense(w))) })
        }
        #expect(inside.0.floatArray() != plain.floatArray())
        #expect(inside.1.floatArray() == plain.floatArray())
        let seed = random([8, 16], &generator)
        let outside = gradients(of: inside.0, seed: seed)[w]?.floatArray()
        #expect(outside != gradients(of: plain, seed: seed)[w]?.floatArray())
    }
}
