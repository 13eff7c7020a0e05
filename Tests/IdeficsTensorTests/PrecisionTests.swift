// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct PrecisionTests {
    private func random(_ shape: [Int], _ random: inout SeededGenerator) -> Tensor {
        Tensor((0..<shape.reduce(1, *)).map { _ in Float.random(in: -1...1, using: &random) }, shape: shape)
    }

    private func rounded(_ x: Tensor) -> Tensor { cast(cast(x, to: .bf16)) }

    /// Products, in the forward and the backward pass, are those of rounded values; what is not a product is not rounded.
    @Test(arguments: [DType.f32, .bf16])
    func productsAreThoseOfRoundedValues(stored: DType) {
        var generator = SeededGenerator(seed: 5)
        let (x, bias) = (random([19, 75], &generator), random([37], &generator))
        let weight = cast(random([37, 75], &generator), to: stored)
        let seed = random([19, 37], &generator)
        let (xLeaf, wLeaf) = (x.trainable(), weight.trainable())
        let y = linear(xLeaf, LinearProduct(.dense(wLeaf), bias: bias), precision: .bf16)
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
        let y = linear(x, LinearProduct(.quantized(weight, isExact: isExact)), precision: .bf16)
        let expected = linear(rounded(x), LinearProduct(.dense(rounded(weight.dequantized()))))
        #expect(maxDifference(y.floatArray(), expected.floatArray()) < 1e-5)
    }

    /// What follows a product in bf16 keeps its inputs in bf16, however far away; what does not, in f32.
    @Test func whatIsKeptFollowsTheProducts() {
        var generator = SeededGenerator(seed: 7)
        let (x, up) = (random([8, 64], &generator), random([8, 16], &generator))
        let (w, gain) = (random([16, 64], &generator), random([16], &generator))
        let seed = random([8, 16], &generator)
        func gradient(_ precision: Precision, keeping: Precision) -> [Float] {
            let leaf = w.trainable(precision: keeping)
            let product = linear(x, LinearProduct(.dense(leaf)), precision: precision)
            let y = rmsNorm(swiglu(gate: product, up: up), weight: gain, eps: 1e-5)
            return gradients(of: y, seed: seed)[leaf]?.floatArray() ?? []
        }
        let (full, half) = (gradient(.f32, keeping: .f32), gradient(.bf16, keeping: .bf16))
        #expect(full.count == 16 * 64)
        #expect(half != full && maxDifference(half, full) < 0.1)
        // A product says what is kept after it, whatever its leaf says.
        #expect(gradient(.bf16, keeping: .f32) == half)
        #expect(gradient(.f32, keeping: .bf16) == full)
    }

    /// A leaf that no product has seen keeps what its pass keeps.
    @Test func aLeafSaysWhatIsKeptBeforeTheFirstProduct() {
        var generator = SeededGenerator(seed: 8)
        let (x, gain) = (random([8, 64], &generator), random([64], &generator))
        let seed = random([8, 64], &generator)
        func gradient(_ precision: Precision) -> [Float] {
            let leaf = gain.trainable(precision: precision)
            return gradients(of: rmsNorm(x, weight: leaf, eps: 1e-5), seed: seed)[leaf]?.floatArray() ?? []
        }
        #expect(gradient(.bf16) != gradient(.f32))
        #expect(maxDifference(gradient(.bf16), gradient(.f32)) < 0.1)
    }
}
