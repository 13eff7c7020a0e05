// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor
import IdeficsTestSupport
import Testing

/// Numbers in 8 bits and AdamW with moments of them, beside bitsandbytes' (`Tools/make_golden_bitsandbytes.py`) and
/// beside plain loops.
@Suite struct DynamicTensorTests {
    private let golden: FixtureTensors

    init() throws {
        golden = try FixtureTensors("bitsandbytes/dynamic.safetensors")
    }

    private func floats(_ name: String) throws -> [Float] { try #require(golden.floats(name)) }
    private func bytes(_ name: String) throws -> [UInt8] { try #require(golden.bytes(name)) }
    private func bytes(_ tensor: Tensor) -> [UInt8] { tensor.withUnsafeBytes { Array($0) } }
    private func tensor(_ name: String) throws -> Tensor {
        Tensor(try floats(name), shape: try #require(golden.shape(name)))
    }

    @Test(arguments: DynamicTensor.Map.allCases)
    func tablesAreThoseOfBitsandbytes(map: DynamicTensor.Map) throws {
        #expect(map.table == (try floats("\(map).table")))
        #expect(DynamicTensor(zeros: [300], map: map).dequantized().floatArray() == Array(repeating: 0, count: 300))
    }

    @Test(arguments: DynamicTensor.Map.allCases)
    func numbersAreRoundedAsInBitsandbytes(map: DynamicTensor.Map) throws {
        var source = try tensor("source")
        if map == .unsigned { source = Tensor(source.floatArray().map(abs), shape: source.shape) }
        let ours = DynamicTensor(source, map: map)
        #expect(ours.scales.floatArray() == (try floats("\(map).scales")))
        var raised = 0
        for (a, b) in zip(bytes(ours.codes), try bytes("\(map).codes")) where a != b {
            // The one difference: only 0 becomes 0.
            #expect(map == .unsigned && a == 1 && b == 0)
            raised += 1
        }
        #expect(raised < 200)
    }

    /// Four steps of bitsandbytes' AdamW8bit.
    @Test func stepsAreThoseOfBitsandbytes() throws {
        var parameter = try tensor("adamw.parameter")
        var first = DynamicTensor(zeros: parameter.shape, map: .signed)
        var second = DynamicTensor(zeros: parameter.shape, map: .unsigned)
        for step in 0..<4 {
            adamWStep(
                &parameter,
                firstMoment: &first,
                secondMoment: &second,
                gradient: try tensor("adamw.gradient\(step)"),
                AdamWStep(learningRate: 1e-2, weightDecay: 0.1, step: step + 1)
            )
            let expected = try floats("adamw.parameter\(step)")
            let differences = zip(parameter.floatArray(), expected).map { abs($0 - $1) }
            // Where theirs divided by the root of a mean square that was rounded to 0, or a code lies one beside theirs
            // because products are rounded in another order, single elements differ.
            #expect(differences.count { $0 > 1e-6 } <= 60, "step \(step): \(differences.count { $0 > 1e-6 })")
            #expect(differences.count { $0 > 1e-3 } <= 10, "step \(step): \(differences.count { $0 > 1e-3 })")
            for (ours, name) in [(first.codes, "first"), (second.codes, "second")] {
                let theirs = try bytes("adamw.\(name)\(step)")
                let others = zip(bytes(ours), theirs).count { $0 != $1 }
                #expect(others <= 60, "step \(step), \(name): \(others) of \(theirs.count)")
            }
            for (ours, name) in [(first.scales, "first_scales"), (second.scales, "second_scales")] {
                for (a, b) in zip(ours.floatArray(), try floats("adamw.\(name)\(step)")) {
                    #expect(abs(a - b) <= 1e-2 * b)
                }
            }
        }
    }

    /// The algorithm in plain loops: nearest values by trying all, f64 between them.
    @Test func stepsAreThoseOfPlainLoops() throws {
        let count = 700
        var random = SeededGenerator(seed: 3)
        func numbers() -> [Float] { (0..<count).map { _ in Float.random(in: -1...1, using: &random) } }
        let start = numbers()
        var parameter = Tensor(start, shape: [count])
        var first = DynamicTensor(zeros: [count], map: .signed)
        var second = DynamicTensor(zeros: [count], map: .unsigned)
        var (p, m, v) = (
            start.map(Double.init), [Double](repeating: 0, count: count), [Double](repeating: 0, count: count)
        )
        for step in 1...3 {
            let gradient = numbers()
            adamWStep(
                &parameter,
                firstMoment: &first,
                secondMoment: &second,
                gradient: Tensor(gradient, shape: [count]),
                AdamWStep(learningRate: 1e-2, weightDecay: 0.1, gradientScale: 0.5, step: step)
            )
            for i in 0..<count {
                let g = Double(gradient[i]) * 0.5
                m[i] = 0.9 * m[i] + 0.1 * g
                v[i] = 0.999 * v[i] + 0.001 * g * g
                let (mHat, vHat) = (m[i] / (1 - pow(0.9, step)), v[i] / (1 - pow(0.999, step)))
                p[i] = p[i] * (1 - 1e-3) - 1e-2 * mHat / (vHat.squareRoot() + 1e-8)
            }
            m = rounded(m, DynamicTensor.Map.signed.table)
            v = rounded(v, DynamicTensor.Map.unsigned.table)
            // A number in the middle between two values may go either way: no more than a few.
            let differences = zip(parameter.floatArray(), p).map { abs(Double($0) - $1) }
            #expect(differences.count { $0 > 1e-6 } <= 5)
            #expect(zip(first.dequantized().floatArray(), m).count { abs(Double($0) - $1) > 1e-6 } <= 5)
            #expect(zip(second.dequantized().floatArray(), v).count { abs(Double($0) - $1) > 1e-8 } <= 5)
        }
    }

    private func pow(_ base: Double, _ exponent: Int) -> Double {
        (0..<exponent).reduce(1) { product, _ in product * base }
    }

    private func rounded(_ values: [Double], _ table: [Float]) -> [Double] {
        var result = values
        for start in stride(from: 0, to: values.count, by: 256) {
            let block = start..<min(start + 256, values.count)
            let scale = values[block].map(abs).max() ?? 0
            for i in block {
                let x = values[i] / scale
                var nearest = Double(table.min { abs(Double($0) - x) < abs(Double($1) - x) } ?? 0)
                if table[0] == 0, x > 0, nearest == 0 { nearest = Double(table[1]) }
                result[i] = nearest * scale
            }
        }
        return result
    }

    /// Least squares, from far away: 8 bits end where f32 does.
    @Test func smallProblemsConverge() {
        let (rows, columns) = (96, 64)
        var random = SeededGenerator(seed: 9)
        func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -1...1, using: &random) } }
        let x = Tensor(numbers(rows * columns), shape: [rows, columns])
        let target = linear(x, LinearProduct(.dense(Tensor(numbers(80 * columns), shape: [80, columns]))))
        func train(_ step: (inout Tensor, Tensor, AdamWStep) -> Void) -> Double {
            var weight = Tensor.zeros([80, columns])
            var loss = 0.0
            for index in 1...300 {
                let leaf = weight.trainable()
                let y = linear(x, LinearProduct(.dense(leaf)))
                let difference = zip(y.floatArray(), target.floatArray()).map { $0 - $1 }
                loss = difference.reduce(0) { $0 + Double($1 * $1) } / Double(difference.count)
                let seed = Tensor(difference.map { $0 / Float(rows) }, shape: y.shape)
                let gradient = gradients(of: y, seed: seed)[leaf]
                let rate = 0.05 * Float(301 - index) / 300
                if let gradient { step(&weight, gradient, AdamWStep(learningRate: rate, step: index)) }
            }
            return loss
        }
        var (first, second) = (Tensor.zeros([80, columns]), Tensor.zeros([80, columns]))
        let full = train { adamWStep(&$0, firstMoment: &first, secondMoment: &second, gradient: $1, $2) }
        var (m, v) = (
            DynamicTensor(zeros: [80, columns], map: .signed), DynamicTensor(zeros: [80, columns], map: .unsigned)
        )
        let dynamic = train { adamWStep(&$0, firstMoment: &m, secondMoment: &v, gradient: $1, $2) }
        print("AdamW on least squares: \(full) in f32, \(dynamic) in 8 bits, from \(target.floatArray().count)")
        #expect(full < 1e-4)
        #expect(dynamic < 1e-4)
    }

    @Test func stepsLeaveCopiesAlone() {
        var parameter = Tensor([Float](repeating: 1, count: 300), shape: [300])
        var (first, second) = (DynamicTensor(zeros: [300], map: .signed), DynamicTensor(zeros: [300], map: .unsigned))
        let (copy, firstCopy) = (parameter, first)
        let gradient = Tensor([Float](repeating: 2, count: 300), shape: [300])
        func step(_ number: Int) {
            adamWStep(
                &parameter,
                firstMoment: &first,
                secondMoment: &second,
                gradient: gradient,
                AdamWStep(learningRate: 0.1, step: number)
            )
        }
        step(1)
        #expect(copy.floatArray() == Array(repeating: 1, count: 300))
        #expect(firstCopy.dequantized().floatArray() == Array(repeating: 0, count: 300))
        let address = first.codes.withUnsafeBytes { $0.baseAddress }
        step(2)
        #expect(first.codes.withUnsafeBytes { $0.baseAddress } == address, "nobody else holds it: changed in place")
    }
}
