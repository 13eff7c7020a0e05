// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// What differentiation promises above single operations, whose gradients `ConformanceCase` compares.
@Suite struct GradientTests {
    private func values(_ count: Int, margin: Float, _ random: inout SeededGenerator) -> [Float] {
        (0..<count).map { _ in
            let value = Float.random(in: -1...1, using: &random)
            return value < 0 ? value * (1 - margin) - margin : value * (1 - margin) + margin
        }
    }

    // MARK: - Weights

    @Test(arguments: [DType.bf16, .f16])
    func halfWeightsGiveTheGradientsOfTheirValues(dtype: DType) throws {
        var random = SeededGenerator(seed: 3)
        let half = cast(Tensor(values(70 * 37, margin: 0, &random), shape: [70, 37]), to: dtype)
        let x = Tensor(values(9 * 37, margin: 0, &random), shape: [9, 37])
        let results = [half, cast(half)].map { weight in
            let (x, weight) = (x.trainable(), weight.trainable())
            let y = linear(x, LinearProduct(.dense(weight), activation: .silu))
            let found = gradients(of: y, seed: y.constant())
            return [found[x]?.floatArray(), found[weight]?.floatArray()]
        }
        #expect(results[0] == results[1])
        #expect(results[0][1]?.count == 70 * 37)
    }

    @Test(arguments: QuantizedTensor.Format.allCases, [false, true])
    func quantizedWeightsGiveTheGradientsOfTheirValues(format: QuantizedTensor.Format, isExact: Bool) throws {
        var random = SeededGenerator(seed: 4)
        let values = values(100 * 130, margin: 0, &random)
        let quantized = QuantizedTensor(Tensor(values, shape: [100, 130]), format: format)
        let seed = Tensor(self.values(9 * 100, margin: 0, &random), shape: [9, 100])
        let input = Tensor(self.values(9 * 130, margin: 0, &random), shape: [9, 130])
        let weights = [Weight.quantized(quantized, isExact: isExact), .dense(quantized.dequantized())]
        let results = weights.map { weight in
            let x = input.trainable()
            return gradients(of: linear(x, LinearProduct(weight)), seed: seed)[x]?.floatArray()
        }
        #expect(results[0] != nil && results[0] == results[1])
    }

    // MARK: - What is recorded

    @Test func nothingIsRecordedWithoutParameters() {
        let x = Tensor([Float](repeating: 1, count: 12), shape: [3, 4])
        let w = Tensor([Float](repeating: 1, count: 8), shape: [2, 4])
        #expect(!linear(x, LinearProduct(.dense(w))).isRecorded)
        #expect(!x[0..<2].reshaped([8]).isRecorded)
        #expect(!checkpoint { add(x, x) }.isRecorded)
        let products = linear(x, [LinearProduct(.dense(w)), LinearProduct(.dense(w.trainable()))])
        #expect(!products[0].isRecorded && products[1].isRecorded)
        #expect(!products[1].constant().isRecorded)
    }

    @Test func frozenPartsGetNoGradient() throws {
        let (x, w, b) = (
            Tensor([Float(1), 2], shape: [1, 2]), Tensor([Float(3), 4], shape: [1, 2]), Tensor([Float(5)], shape: [1])
        )
        let (leaf, other) = (x.trainable(), w.trainable())
        let found = gradients(of: linear(leaf, LinearProduct(.dense(w), bias: b)))
        #expect(found[leaf]?.floatArray() == [3, 4])
        #expect(found[w] == nil && found[b] == nil && found[other] == nil)
    }

    @Test func usesOfOneParameterAreAdded() throws {
        let x = Tensor([Float(1), 2, 3, 4], shape: [2, 2]).trainable()
        let y = add(add(x, x), add(x[0..<2], gatherRows(x, [1, 0])))
        let found = gradients(of: y, seed: Tensor([Float(1), 10, 100, 1000], shape: [2, 2]))
        #expect(found[x]?.floatArray() == [103, 1030, 301, 3010])
    }

    /// A long chain is freed step by step as it is walked, and without the walk too.
    @Test(arguments: [true, false])
    func longChainsNeedNoStack(isWalked: Bool) {
        let x = Tensor([Float(1)], shape: [1]).trainable()
        var y = x
        for _ in 0..<200_000 { y = add(y, y.constant()) }
        if isWalked { #expect(gradients(of: y)[x]?.floatArray() == [1]) }
    }

    // MARK: - Checkpoint

    @Test func checkpointingChangesNoBit() throws {
        var random = SeededGenerator(seed: 9)
        let weights = (0..<6).map { _ in Tensor(values(64, margin: 0, &random), shape: [8, 8]).trainable() }
        let input = Tensor(values(5 * 8, margin: 0, &random), shape: [5, 8]).trainable()
        func network(_ isCheckpointing: Bool) -> Gradients {
            var hidden = input
            for (index, weight) in weights.enumerated() {
                hidden = checkpoint(when: isCheckpointing) { [hidden] in
                    // The input and the first weight are used inside and outside of the body.
                    let product = linear(hidden, LinearProduct(.dense(weight), activation: .gelu, residual: input))
                    let dropped = dropout(product, probability: 0.3, seed: 11, offset: UInt64(index) * 1000)
                    return linear(add(dropped, hidden), LinearProduct(.dense(weights[0]), residual: hidden))
                }
            }
            return gradients(of: hidden, seed: Tensor([Float](repeating: 0.1, count: 40), shape: [5, 8]))
        }
        let (plain, again) = (network(false), network(true))
        for leaf in weights + [input] {
            let gradient = try #require(plain[leaf]).floatArray()
            #expect(gradient.contains { $0 != 0 })
            #expect(gradient == again[leaf]?.floatArray())
        }
    }

    @Test func checkpointsRunTheirBodyAgain() {
        let x = Tensor([Float(2)], shape: [1]).trainable()
        nonisolated(unsafe) var runs = 0
        let y = checkpoint {
            runs += 1
            return add(x, x)
        }
        #expect(runs == 1)
        #expect(gradients(of: y)[x]?.floatArray() == [2])
        #expect(runs == 2)
    }

    // MARK: - Loss

    @Test func ignoredRowsCostAndGiveNothing() throws {
        var random = SeededGenerator(seed: 5)
        let hidden = Tensor(values(6 * 8, margin: 0, &random), shape: [6, 8]).trainable()
        let head = Tensor(values(11 * 8, margin: 0, &random), shape: [11, 8])
        let loss = linearCrossEntropy(hidden, heads: [.dense(head)], targets: [-100, 3, -100, 10, 0, -100])
        let few = linearCrossEntropy(gatherRows(hidden, [1, 3, 4]), heads: [.dense(head)], targets: [3, 10, 0])
        #expect(loss.count == 3 && loss.crossEntropy == few.crossEntropy && loss.zMean == few.zMean)
        let gradient = try #require(gradients(of: loss.total)[hidden]).floatArray()
        for row in [0, 2, 5] { #expect(gradient[row * 8..<row * 8 + 8].allSatisfy { $0 == 0 }) }
        #expect(gradient[8..<16].contains { $0 != 0 })
        let none = linearCrossEntropy(hidden, heads: [.dense(head)], targets: Array(repeating: -100, count: 6))
        #expect(none.count == 0 && none.crossEntropy == 0)
        #expect(gradients(of: none.total)[hidden]?.floatArray().allSatisfy { $0 == 0 } ?? false)
    }

    /// More rows than are taken at a time give the same as their parts.
    @Test func chunksOfRowsAddUp() throws {
        var random = SeededGenerator(seed: 6)
        let rows = 1100
        let hidden = Tensor(values(rows * 4, margin: 0, &random), shape: [rows, 4]).trainable()
        let head = Tensor(values(9 * 4, margin: 0, &random), shape: [9, 4]).trainable()
        let targets = (0..<rows).map { $0 % 9 }
        let whole = linearCrossEntropy(hidden, heads: [.dense(head)], targets: targets, zLossWeight: 0.1)
        let found = gradients(of: whole.total)
        var parts = Gradients()
        for start in stride(from: 0, to: rows, by: 110) {
            let part = linearCrossEntropy(
                hidden[start..<start + 110],
                heads: [.dense(head)],
                targets: Array(targets[start..<start + 110]),
                zLossWeight: 0.1
            )
            parts = gradients(of: part.total, seed: Tensor([0.1], shape: [1]), into: parts)
        }
        for leaf in [hidden, head] {
            let (a, b) = (try #require(found[leaf]).floatArray(), try #require(parts[leaf]).floatArray())
            for (x, y) in zip(a, b) { #expect(abs(x - y) < 1e-6) }
        }
    }

    // MARK: - Optimiser

    @Test func stepsLeaveCopiesAlone() {
        var parameter = Tensor([Float(1), 2, 3], shape: [3])
        let copy = parameter
        var (first, second) = (Tensor.zeros([3]), Tensor.zeros([3]))
        let gradient = Tensor([Float(1), -1, 0], shape: [3])
        let step = AdamWStep(learningRate: 0.1, weightDecay: 0.5, step: 1)
        adamWStep(&parameter, firstMoment: &first, secondMoment: &second, gradient: gradient, step)
        #expect(copy.floatArray() == [1, 2, 3])
        // The first step is the sign of the gradient, after the decay.
        let expected: [Float] = [0.95 - 0.1, 1.9 + 0.1, 2.85]
        for (a, b) in zip(parameter.floatArray(), expected) { #expect(abs(a - b) < 1e-6) }
        let address = parameter.withUnsafeBytes { $0.baseAddress }
        adamWStep(&parameter, firstMoment: &first, secondMoment: &second, gradient: gradient, step)
        #expect(parameter.withUnsafeBytes { $0.baseAddress } == address, "nobody else holds it: changed in place")
        #expect(squaredNorm(Tensor([Float(3), 4], shape: [2])) == 25)
    }
}
