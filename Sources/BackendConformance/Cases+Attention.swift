// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTensor

// Attention over pages, and how keys and values come to lie in them.
extension ConformanceCase {
    /// What one query head sees: softmax(scale · q kᵀ) v over the keys `0..<count`, `weight` multiplying each weight.
    private static func attended(
        _ q: [Double],
        keys: [[Double]],
        values: [[Double]],
        scale: Double,
        weight: (_ key: Int) -> Double = { _ in 1 }
    ) -> [Double] {
        let scores = keys.map { key in scale * zip(q, key).reduce(0) { $0 + $1.0 * $1.1 } }
        let largest = scores.max() ?? 0
        let weights = scores.map { exp($0 - largest) }
        let total = weights.reduce(0, +)
        return q.indices.map { l in
            values.indices.reduce(0.0) { $0 + weights[$1] / total * weight($1) * values[$1][l] }
        }
    }

    private static func slice(_ matrix: Matrix, _ row: Int, head: Int, dim: Int) -> [Double] {
        (0..<dim).map { matrix[row, head * dim + $0] }
    }

    /// Attention of `queries` rows over `keyCount` keys, with grouped heads.
    private static func reference(
        _ q: Matrix,
        _ k: Matrix,
        _ v: Matrix,
        queries: Range<Int>,
        keyCount: Int,
        causalPast: Int?,
        heads: Int,
        kvHeads: Int,
        scale: Double
    ) -> [Double] {
        let dim = q.columns / heads
        return queries.enumerated().flatMap { index, row in
            (0..<heads).flatMap { head in
                let seen = causalPast.map { min($0 + index + 1, keyCount) } ?? keyCount
                let kvHead = head / (heads / kvHeads)
                return attended(
                    slice(q, row, head: head, dim: dim),
                    keys: (0..<seen).map { slice(k, $0, head: kvHead, dim: dim) },
                    values: (0..<seen).map { slice(v, $0, head: kvHead, dim: dim) },
                    scale: scale
                )
            }
        }
    }

    static let attentions =
        [
            (heads: 2, kvHeads: 2, dim: 6, queries: 5, keys: 11, isCausal: true),
            (heads: 4, kvHeads: 2, dim: 8, queries: 1, keys: 11, isCausal: true),
            (heads: 4, kvHeads: 1, dim: 16, queries: 9, keys: 12, isCausal: false),
            (heads: 1, kvHeads: 1, dim: 64, queries: 3, keys: 10, isCausal: false),
        ].flatMap { size in
            [4, 12].map { pageTokens in
                ConformanceCase(
                    "attention, \(size.queries) queries of \(size.heads)/\(size.kvHeads) heads over \(size.keys) keys, "
                        + "pages of \(pageTokens)\(size.isCausal ? ", causal" : "")"
                ) { device in
                    var random = TestNumbers(seed: 6)
                    let q = random.tensor(size.queries, size.heads * size.dim)
                    let (k, v) = (
                        random.tensor(12, size.kvHeads * size.dim), random.tensor(12, size.kvHeads * size.dim)
                    )
                    var pages = KeyValuePages(pageTokens: pageTokens)
                    let (deviceK, deviceV) = (k.to(device), v.to(device))
                    for start in stride(from: 0, to: 12, by: pageTokens) {
                        let rows = start..<start + pageTokens
                        pages.append(k: deviceK[rows], v: deviceV[rows])
                    }
                    let past = size.isCausal ? size.keys - size.queries : nil
                    let rows = 0..<size.queries
                    let y = attention(
                        q.to(device),
                        [AttentionSegment(queries: rows, pages: pages, keyCount: size.keys, causalPast: past)],
                        heads: size.heads,
                        kvHeads: size.kvHeads,
                        scale: 0.4
                    )
                    let expected = reference(
                        Matrix(q),
                        Matrix(k),
                        Matrix(v),
                        queries: rows,
                        keyCount: size.keys,
                        causalPast: past,
                        heads: size.heads,
                        kvHeads: size.kvHeads,
                        scale: 0.4
                    )
                    return [Comparison(y, expected)]
                }
            }
        } + [severalSegments, droppedWeights]

    /// Two sequences of one pass and rows between them that belong to none, which are zero.
    private static let severalSegments = ConformanceCase("attention, two segments and rows of none") { device in
        var random = TestNumbers(seed: 7)
        let (q, k, v) = (random.tensor(8, 12), random.tensor(8, 12), random.tensor(8, 12))
        let (deviceK, deviceV) = (k.to(device), v.to(device))
        let segments = [0..<3, 5..<8].map { rows in
            let pages = KeyValuePages(k: deviceK[rows], v: deviceV[rows])
            return AttentionSegment(queries: rows, pages: pages, keyCount: rows.count, causalPast: 0)
        }
        let y = attention(q.to(device), segments, heads: 3, kvHeads: 3, scale: 0.7)
        let parts = [0..<3, 5..<8].map { rows in
            reference(
                Matrix(q),
                Matrix(k[rows]),
                Matrix(v[rows]),
                queries: rows,
                keyCount: rows.count,
                causalPast: 0,
                heads: 3,
                kvHeads: 3,
                scale: 0.7
            )
        }
        return [Comparison(y, parts[0] + Array(repeating: 0, count: 24) + parts[1])]
    }

    /// Which weights are dropped is part of the contract: a pass that is computed again drops the same.
    private static let droppedWeights = ConformanceCase("attention, weights dropped") { device in
        let (rows, heads, dim) = (20, 2, 4)
        var random = TestNumbers(seed: 8)
        let (q, k, v) = (
            random.tensor(rows, heads * dim), random.tensor(rows, heads * dim), random.tensor(rows, heads * dim)
        )
        let y = attention(
            q.to(device),
            [
                AttentionSegment(
                    queries: 0..<rows,
                    pages: KeyValuePages(k: k.to(device), v: v.to(device)),
                    keyCount: rows,
                    causalPast: 0
                )
            ],
            heads: heads,
            kvHeads: heads,
            scale: 0.8,
            dropout: AttentionDropout(probability: 0.25, seed: 11, offset: 5)
        )
        let (qs, ks, vs) = (Matrix(q), Matrix(k), Matrix(v))
        let seed = mixed(mixed(11, 0), 5)
        let expected = (0..<rows).flatMap { row in
            (0..<heads).flatMap { head in
                attended(
                    slice(qs, row, head: head, dim: dim),
                    keys: (0...row).map { slice(ks, $0, head: head, dim: dim) },
                    values: (0...row).map { slice(vs, $0, head: head, dim: dim) },
                    scale: 0.8
                ) { key in
                    let hash = mixed(mixed(seed, UInt64(row * heads + head)), UInt64(key))
                    return Double(hash >> 32) < 0.25 * 4_294_967_296 ? 0 : 1 / 0.75
                }
            }
        }
        return [Comparison(y, expected)]
    }

    /// SplitMix64 of a place under a seed.
    private static func mixed(_ seed: UInt64, _ place: UInt64) -> UInt64 {
        var z = seed &+ (place &+ 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    /// Keys and values that were written into pages row by row, in every type, and pages that were copied.
    static let pages = KeyValueType.allCases.map { type in
        ConformanceCase("attention over written and copied pages of \(type)", tolerance: type.tolerance) { device in
            let (heads, dim, pageTokens) = (2, 8, 4)
            var random = TestNumbers(seed: 9)
            let q = random.tensor(1, heads * dim)
            let (k, v) = (random.tensor(6, heads * dim), random.tensor(6, heads * dim))
            let rowByteCount = type.rowByteCount(kvHeads: heads, headDim: dim)
            var pages = KeyValuePages(pageTokens: pageTokens, type: type)
            for rows in [0..<4, 4..<6] {
                let places = [k, v].map { tensor in
                    let byteCount = pageTokens * rowByteCount
                    let first = MemoryPlace(device.memory.allocate(byteCount: byteCount, on: device))
                    let copy = MemoryPlace(device.memory.allocate(byteCount: byteCount, on: device))
                    let values = tensor.to(device)
                    for (index, row) in rows.enumerated() {
                        writeKeyValueRows(
                            values[row..<row + 1],
                            to: first.advanced(by: index * rowByteCount),
                            type: type,
                            kvHeads: heads
                        )
                    }
                    copyBytes(from: first, to: copy, byteCount: rows.count * rowByteCount)
                    return copy
                }
                pages.append(k: places[0], v: places[1])
            }
            let segment = AttentionSegment(queries: 0..<1, pages: pages, keyCount: 6, causalPast: 5)
            let y = attention(q.to(device), [segment], heads: heads, kvHeads: heads, scale: 0.5)
            let expected = reference(
                Matrix(q),
                Matrix(k),
                Matrix(v),
                queries: 0..<1,
                keyCount: 6,
                causalPast: 5,
                heads: heads,
                kvHeads: heads,
                scale: 0.5
            )
            return [Comparison(y, expected)]
        }
    }
}

extension KeyValueType {
    /// How much of a value of at most 1 rounding keys and values may change.
    fileprivate var tolerance: Double {
        switch self {
        case .f32: 1e-5
        case .bf16: 1 / 128
        case .int8: 1 / 64
        }
    }
}
