// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// What the operations promise above the kernels, which have tests of their own.
@Suite struct OperationTests {
    func values(_ count: Int, seed: Int) -> [Float] {
        (0..<count).map { Float(($0 * 7919 + seed * 104_729) % 1000) / 500 - 1 }
    }

    @Test func linearWithEverythingThatFollows() {
        let (rows, n, k) = (3, 5, 7)
        let x = values(rows * k, seed: 1)
        let w = values(n * k, seed: 2)
        let bias = values(n, seed: 3)
        let residual = values(rows * n, seed: 4)
        let product = LinearProduct(
            .dense(Tensor(w, shape: [n, k])),
            bias: Tensor(bias, shape: [n]),
            activation: .relu,
            scale: Tensor([0.5], shape: [1]),
            residual: Tensor(residual, shape: [rows, n])
        )
        let y = linear(Tensor(x, shape: [rows, k]), product).floatArray()
        for row in 0..<rows {
            for column in 0..<n {
                var sum = Double(bias[column])
                for i in 0..<k { sum += Double(x[row * k + i]) * Double(w[column * k + i]) }
                let expected = Double(residual[row * n + column]) + 0.5 * max(sum, 0)
                #expect(abs(Double(y[row * n + column]) - expected) < 1e-5)
            }
        }
    }

    @Test func attentionOverPagesEqualsOnePage() {
        let (queries, keys, heads, headDim) = (5, 11, 2, 6)
        let width = heads * headDim
        let q = Tensor(values(queries * width, seed: 5), shape: [queries, width])
        let k = Tensor(values(12 * width, seed: 6), shape: [12, width])
        let v = Tensor(values(12 * width, seed: 7), shape: [12, width])
        var paged = KeyValuePages(pageTokens: 4)
        for page in 0..<3 { paged.append(k: k[page * 4..<page * 4 + 4], v: v[page * 4..<page * 4 + 4]) }
        let results = [KeyValuePages(k: k, v: v), paged].map { pages in
            attention(
                q,
                [AttentionSegment(queries: 0..<queries, pages: pages, keyCount: keys, causalPast: keys - queries)],
                heads: heads,
                kvHeads: heads,
                scale: 0.4
            ).floatArray()
        }
        for (a, b) in zip(results[0], results[1]) { #expect(abs(a - b) < 1e-6) }
        // Against plain softmax.
        let (qs, ks, vs) = (q.floatArray(), k.floatArray(), v.floatArray())
        for query in 0..<queries {
            for head in 0..<heads {
                let seen = keys - queries + query + 1
                let scores = (0..<seen).map { key in
                    (0..<headDim).reduce(0.0) { sum, i in
                        sum + Double(qs[query * width + head * headDim + i])
                            * Double(ks[key * width + head * headDim + i])
                    } * 0.4
                }
                let total = scores.reduce(0) { $0 + exp($1) }
                for i in 0..<headDim {
                    let expected = (0..<seen).reduce(0.0) {
                        $0 + exp(scores[$1]) / total * Double(vs[$1 * width + head * headDim + i])
                    }
                    #expect(abs(Double(results[0][query * width + head * headDim + i]) - expected) < 1e-5)
                }
            }
        }
    }

    @Test func rowsOfNoSegmentAreZero() {
        let q = Tensor(values(4 * 4, seed: 8), shape: [4, 4])
        let kv = Tensor(values(2 * 4, seed: 9), shape: [2, 4])
        let segment = AttentionSegment(queries: 1..<2, pages: KeyValuePages(k: kv, v: kv), keyCount: 2)
        let output = attention(q, [segment], heads: 1, kvHeads: 1, scale: 1).floatArray()
        #expect(output[0..<4].allSatisfy { $0 == 0 } && output[8..<16].allSatisfy { $0 == 0 })
        #expect(output[4..<8].contains { $0 != 0 })
    }

    @Test func groupedQueriesShareKeys() {
        let q = Tensor(values(3 * 8, seed: 10), shape: [3, 8])  // 4 heads of 2
        let kv = Tensor(values(5 * 4, seed: 11), shape: [5, 4])  // 2 heads of 2
        let grouped = attention(
            q,
            [AttentionSegment(queries: 0..<3, pages: KeyValuePages(k: kv, v: kv), keyCount: 5)],
            heads: 4,
            kvHeads: 2,
            scale: 0.7
        )
        // The same with each key head written twice.
        let rows = kv.floatArray()
        let doubled = (0..<5).flatMap { row -> [Float] in
            let (a, b) = (Array(rows[row * 4..<row * 4 + 2]), Array(rows[row * 4 + 2..<row * 4 + 4]))
            return a + a + b + b
        }
        let full = Tensor(doubled, shape: [5, 8])
        let expected = attention(
            q,
            [AttentionSegment(queries: 0..<3, pages: KeyValuePages(k: full, v: full), keyCount: 5)],
            heads: 4,
            kvHeads: 4,
            scale: 0.7
        )
        for (a, b) in zip(grouped.floatArray(), expected.floatArray()) { #expect(abs(a - b) < 1e-6) }
    }

    @Test func patchesAreInTheOrderOfAConvolution() {
        // 2 channels of 4 × 6, patches of 2: 2 × 3 of them.
        let image = Tensor([Float](stride(from: 0, to: 48, by: 1)), shape: [1, 2, 4, 6])
        let patches = patchify(image, patchSize: 2)
        #expect(patches.shape == [6, 8])
        #expect(patches[4..<5].floatArray() == [14, 15, 20, 21, 38, 39, 44, 45])
    }

    /// Dropped weights of attention beside plain loops with a mask of their own.
    @Test func weightsOfAttentionAreDropped() {
        let (rows, heads, dim) = (70, 2, 4)
        var random = SeededGenerator(seed: 8)
        func numbers() -> Tensor {
            Tensor(
                (0..<rows * heads * dim).map { _ in Float.random(in: -1...1, using: &random) },
                shape: [rows, heads * dim]
            )
        }
        func mixed(_ seed: UInt64, _ place: UInt64) -> UInt64 {
            var z = seed &+ (place &+ 1) &* 0x9E37_79B9_7F4A_7C15
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            return z ^ z >> 31
        }
        let (q, k, v) = (numbers(), numbers(), numbers())
        func run(_ dropout: AttentionDropout?, from first: Int = 0) -> [Float] {
            let segment = AttentionSegment(
                queries: first..<rows,
                pages: KeyValuePages(k: k, v: v),
                keyCount: rows,
                causalPast: first
            )
            return attention(q, [segment], heads: heads, kvHeads: heads, scale: 0.8, dropout: dropout).floatArray()
        }
        let dropout = AttentionDropout(probability: 0.25, seed: 11, offset: 5)
        let found = run(dropout)
        let (queries, keys, values) = (q.floatArray(), k.floatArray(), v.floatArray())
        let seed = mixed(mixed(11, 0), 5)
        var dropped = 0
        for row in 0..<rows {
            for head in 0..<heads {
                let at = { (row: Int) in (row * heads + head) * dim }
                let weights = (0...row).map { key in
                    exp(0.8 * (0..<dim).reduce(0.0) { $0 + Double(queries[at(row) + $1] * keys[at(key) + $1]) })
                }
                let total = weights.reduce(0, +)
                var out = [Double](repeating: 0, count: dim)
                for key in 0...row {
                    let hash = mixed(mixed(seed, UInt64(row * heads + head)), UInt64(key))
                    if Double(hash >> 32) < 0.25 * 4_294_967_296 {
                        dropped += 1
                        continue
                    }
                    for l in 0..<dim { out[l] += weights[key] / total / 0.75 * Double(values[at(key) + l]) }
                }
                for l in 0..<dim { #expect(abs(Double(found[at(row) + l]) - out[l]) < 1e-5) }
            }
        }
        // A quarter of 4970, within five standard deviations.
        #expect(abs(dropped - 1242) < 153)
        // Rows are numbered over all segments: the rest of the rows, alone, drops the same. Two rows take another way.
        for first in [40, 68] {
            let rest = run(dropout, from: first)
            for index in first * heads * dim..<rows * heads * dim { #expect(abs(rest[index] - found[index]) < 1e-5) }
        }
        #expect(run(AttentionDropout(probability: 0.25, seed: 11, offset: 6)) != found)
        #expect(run(AttentionDropout(probability: 0, seed: 11, offset: 5)) == run(nil))
    }
}
