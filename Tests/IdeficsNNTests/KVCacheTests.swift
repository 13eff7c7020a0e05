// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsNN
import IdeficsTensor
import Testing

@Suite struct KVCacheTests {
    static let width = 4

    static func empty(_ type: KeyValueType) -> KVCache {
        KVCache(layerCount: 2, kvHeads: 2, headDim: width / 2, type: type)
    }

    /// Appends tokens whose keys are their values and whose values are these with the other sign, in both layers: small
    /// whole numbers, which every type holds.
    static func append(_ cache: inout KVCache, _ values: [Float]) {
        let k = values.flatMap { value in [Float](repeating: value, count: width) }
        cache.reserve(values.count)
        for layer in 0..<2 {
            let scaled = k.map { $0 + Float(layer * 100) }
            cache.write(
                layer: layer,
                k: Tensor(scaled, shape: [values.count, width]),
                v: Tensor(scaled.map { -$0 }, shape: [values.count, width])
            )
        }
        cache.advance(values.count)
    }

    /// The keys it holds in `layer`, one number for each token; values are checked against them.
    static func keys(_ cache: KVCache, layer: Int = 1) -> [Float] {
        let pages = cache.pages(layer: layer)
        return (0..<cache.count).map { token in
            let page = token / KVCache.pageTokens
            let k = (0..<width).map { element($0, of: pages.k[page], token: token % KVCache.pageTokens, cache.type) }
            let v = (0..<width).map { element($0, of: pages.v[page], token: token % KVCache.pageTokens, cache.type) }
            #expect(k == Array(repeating: k[0], count: width) && v == k.map { -$0 })
            return k[0] - Float(layer * 100)
        }
    }

    /// Element `index` of a row, of two heads, to the nearest whole number.
    static func element(_ index: Int, of page: MemoryPlace, token: Int, _ type: KeyValueType) -> Float {
        let row = UnsafeRawPointer(page.pointer) + token * type.rowByteCount(kvHeads: 2, headDim: width / 2)
        switch type {
        case .f32: return row.load(fromByteOffset: 4 * index, as: Float.self)
        case .bf16: return Float(bitPattern: UInt32(row.load(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
        case .int8:
            let scale = row.loadUnaligned(fromByteOffset: width + index / 2 * 4, as: Float.self)
            return (Float(row.load(fromByteOffset: index, as: Int8.self)) * scale).rounded()
        }
    }

    @Test(arguments: [1, 15, 16, 17, 40], KeyValueType.allCases)
    func holdsWhatWasWritten(count: Int, type: KeyValueType) {
        var cache = Self.empty(type)
        let values = (0..<count).map(Float.init)
        Self.append(&cache, values)
        #expect(Self.keys(cache) == values)
        for value in 0..<20 { Self.append(&cache, [Float(value)]) }
        #expect(Self.keys(cache) == values + (0..<20).map(Float.init))
        #expect(Self.keys(cache, layer: 0) == Self.keys(cache))
    }

    @Test(arguments: [3, 16, 20], KeyValueType.allCases)
    func copiesGoTheirOwnWays(shared: Int, type: KeyValueType) {
        var first = Self.empty(type)
        let beginning = (0..<shared).map(Float.init)
        Self.append(&first, beginning)
        var second = first
        var third = first
        Self.append(&first, [50, 51])
        Self.append(&second, [60])
        Self.append(&first, [52])
        Self.append(&third, [Float](repeating: 70, count: 20))
        Self.append(&second, [61])
        #expect(Self.keys(first) == beginning + [50, 51, 52])
        #expect(Self.keys(second) == beginning + [60, 61])
        #expect(Self.keys(third) == beginning + [Float](repeating: 70, count: 20))
    }

    @Test(arguments: [0, 1, 15, 16, 17, 33], KeyValueType.allCases)
    func truncationForgets(kept: Int, type: KeyValueType) {
        var cache = Self.empty(type)
        Self.append(&cache, (0..<40).map(Float.init))
        let whole = cache
        cache.truncate(to: kept)
        #expect(cache.count == kept)
        Self.append(&cache, [90, 91, 92])
        #expect(Self.keys(cache) == (0..<kept).map(Float.init) + [90, 91, 92])
        #expect(Self.keys(whole) == (0..<40).map(Float.init))
    }
}

@Suite struct LayerTests {
    @Test func decoupledEmbeddingTakesRowsOfBothTables() {
        let embedding = DecoupledEmbedding(
            weight: .dense(Tensor([Float](stride(from: 0, to: 8, by: 1)), shape: [4, 2])),
            additionalEmbedding: .dense(cast(Tensor([100, 101, 102, 103].map(Float.init), shape: [2, 2]), to: .bf16))
        )
        #expect(embedding.vocabSize == 6)
        #expect(embedding([3, 4, 5, 0]).floatArray() == [6, 7, 100, 101, 102, 103, 0, 1])
        #expect(embedding([1]).floatArray() == [2, 3])
        #expect(embedding([]).shape == [0, 2])
    }

    @Test func decoupledLinearPutsAddedTokensLast() {
        let head = DecoupledLinear(
            weight: Linear(weight: .dense(Tensor([1, 0, 0, 1].map(Float.init), shape: [2, 2]))),
            additionalFc: Linear(weight: .dense(Tensor([1, 1].map(Float.init), shape: [1, 2])))
        )
        #expect(head(Tensor([3, 4, 5, 6].map(Float.init), shape: [2, 2])).floatArray() == [3, 4, 7, 5, 6, 11])
    }

    /// Rotating by a position and then comparing gives what only the distance decides.
    @Test func rotationDependsOnDistanceAlone() {
        let rotary = RotaryEmbedding(headDim: 8, theta: 10_000)
        let q = Tensor((0..<8).map { Float($0) - 3 }, shape: [1, 8])
        let k = Tensor((0..<8).map { Float($0 * $0 % 5) }, shape: [1, 8])
        func product(_ p: Int32, _ r: Int32) -> Float {
            zip(
                rotary(q, positions: [p], heads: 1).floatArray(),
                rotary(k, positions: [r], heads: 1).floatArray()
            ).reduce(0) { $0 + $1.0 * $1.1 }
        }
        #expect(abs(product(5, 2) - product(105, 102)) < 1e-3)
        #expect(abs(product(5, 2) - product(5, 3)) > 1e-2)
        #expect(rotary(q, positions: [0], heads: 1).floatArray() == q.floatArray())
    }
}
