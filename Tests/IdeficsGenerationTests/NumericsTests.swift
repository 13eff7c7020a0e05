// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsGeneration
import Testing

@Suite struct NumericsTests {
    private func rows() -> [[Float]] {
        var random = RandomStream(seed: 3)
        return (0...70).map { count in
            (0..<count).map { _ in
                switch random.next() % 12 {
                case 0: -.infinity
                case 1: .nan
                case 2: 0.5  // ties
                default: Float(random.uniform() * 8 - 4)
                }
            }
        }
    }

    @Test func maximumAndArgmaxOfEveryLength() {
        for row in rows() {
            let present = row.filter { !$0.isNaN }
            row.withUnsafeBufferPointer { buffer in
                #expect(ScoreRow.maximum(buffer) == present.max() ?? -.infinity)
                let largest = present.max().flatMap { $0 > -.infinity ? $0 : nil }
                #expect(ScoreRow.argmax(buffer) == largest.flatMap { row.firstIndex(of: $0) })
            }
        }
    }

    @Test func topCandidatesAreTheFrontOfASort() {
        for row in rows() {
            let sorted = row.map { $0.isNaN ? -.infinity : Double($0) }.enumerated()
                .sorted { $0.element > $1.element || ($0.element == $1.element && $0.offset < $1.offset) }
            for capacity in [0, 1, 2, 7, 8, 40, 100] {
                var top = TopCandidates(capacity: capacity)
                row.withUnsafeBufferPointer { top.insert(row: $0) }
                #expect(top.sorted.map(\.index) == sorted.prefix(capacity).map(\.offset))
            }
        }
    }

    @Test func topCandidatesDoNotDependOnTheOrderOfRows() {
        let rows: [[Float]] = [
            [1, 2, 3, 3, 2, 1, 0, 3, 3], [3, 3, 3, 0, 0, 0, 0, 0, 2], [3, 1, 1, 1, 1, 1, 1, 1, 3],
        ]
        var found: [[Int]] = []
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            var top = TopCandidates(capacity: 6)
            for row in order {
                rows[row].withUnsafeBufferPointer { top.insert(row: $0, firstIndex: row * 9) }
            }
            found.append(top.sorted.map(\.index))
        }
        #expect(found == Array(repeating: [2, 3, 7, 8, 9, 10], count: 3))
    }

    @Test func logSoftmax() {
        var row: [Float] = [1, -2, 0.5, -.infinity, 80]
        let total = log(row.reduce(0) { $0 + exp(Double($1)) })
        let expected = row.map { Float(Double($0) - total) }
        let isDefined = row.withUnsafeMutableBufferPointer { ScoreRow.logSoftmax($0) }
        #expect(isDefined)
        #expect(zip(row, expected).allSatisfy { abs($0 - $1) < 1e-5 || $0 == $1 })
        for bad: [Float] in [[], [.nan], [-.infinity, -.infinity], [1, .infinity]] {
            var copy = bad
            let isDefined = copy.withUnsafeMutableBufferPointer { ScoreRow.logSoftmax($0) }
            #expect(!isDefined)
        }
    }

    @Test func vectorExp() {
        var worst = 0.0
        for step in 0...8_700 {
            let x = -Float(step) * 0.009_97
            let y = VectorExp.exp(SIMD8(x, -0.01 * x - 1, 0, -.infinity, .nan, -88, -1000, -1e30))
            worst = max(worst, abs(Double(y[0]) / exp(Double(x)) - 1))
            #expect((y[2], y[3], y[4], y[5], y[6], y[7]) == (1, 0, 0, 0, 0, 0))
        }
        #expect(worst < 2e-7)
    }
}
