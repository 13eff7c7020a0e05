// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Keys and values of one layer in pages of equal length: a cache's pages, or one page for each image.
///
/// Key `j` is row `j % pageTokens` of page `j / pageTokens`; a row holds `[kvHeads, headDim]`, stored as `type`.
public struct KeyValuePages: Sendable {
    /// Where the keys of each page begin.
    public private(set) var k: [MemoryPlace] = []
    /// Where its values begin.
    public private(set) var v: [MemoryPlace] = []
    /// Where gradients of a page's keys and values go, by the place of the page; empty without training.
    private(set) var targets: [Int: (k: GradientTarget, v: GradientTarget)] = [:]
    /// Rows of a page.
    public let pageTokens: Int
    /// How rows are stored.
    public let type: KeyValueType

    /// No pages yet.
    public init(pageTokens: Int, type: KeyValueType = .f32) {
        precondition(pageTokens > 0, "KeyValuePages: a page needs at least one token")
        self.pageTokens = pageTokens
        self.type = type
    }

    /// One page that is the whole of `k` and `v`, both `[tokens, kvHeads · headDim]` in f32.
    public init(k: Tensor, v: Tensor) {
        self.init(pageTokens: max(k.shape[0], 1))
        append(k: k, v: v)
    }

    /// One page with the contents of `k` and `v`, both `[tokens, kvHeads · headDim]` in f32, stored as `type`.
    public init(k: Tensor, v: Tensor, kvHeads: Int, type: KeyValueType) {
        guard type != .f32 else {
            self.init(k: k, v: v)
            return
        }
        precondition(k.shape == v.shape && k.shape[1] % kvHeads == 0, "KeyValuePages: k \(k.shape), v \(v.shape)")
        self.init(pageTokens: max(k.shape[0], 1), type: type)
        let rowByteCount = type.rowByteCount(kvHeads: kvHeads, headDim: k.shape[1] / kvHeads)
        func stored(_ x: Tensor) -> MemoryPlace {
            let byteCount = x.shape[0] * rowByteCount
            let place = MemoryPlace(x.device.memory.allocate(byteCount: byteCount, on: x.device))
            writeKeyValueRows(x, to: place, type: type, kvHeads: kvHeads)
            return place
        }
        append(k: stored(k), v: stored(v))
    }

    /// Adds a page, `k` and `v` being `[pageTokens, kvHeads · headDim]` in f32, as they are.
    public mutating func append(k: Tensor, v: Tensor) {
        precondition(type == .f32 && k.shape == v.shape, "KeyValuePages: k \(k.shape), v \(v.shape) as \(type)")
        if k.isRecorded || v.isRecorded { targets[pageCount] = (k.target, v.target) }
        precondition(k.dtype == .f32 && v.dtype == .f32, "KeyValuePages: \(k.dtype) keys, \(v.dtype) values")
        append(k: k.place, v: v.place)
    }

    /// Adds the pages of `other`, which are of the same length and type.
    public mutating func append(_ other: KeyValuePages) {
        precondition(other.pageTokens == pageTokens && other.type == type, "KeyValuePages: pages of another kind")
        for (place, target) in other.targets { targets[pageCount + place] = target }
        k += other.k
        v += other.v
    }

    /// Pages held.
    package var pageCount: Int { k.count }

    /// Drops all pages after the first `count`.
    package mutating func truncate(to count: Int) {
        k.removeLast(k.count - count)
        v.removeLast(v.count - count)
    }

    /// Adds a page whose keys and values begin at `k` and `v`.
    public mutating func append(k: MemoryPlace, v: MemoryPlace) {
        self.k.append(k)
        self.v.append(v)
    }
}

/// Queries of one sequence and the keys they see.
public struct AttentionSegment: Sendable {
    /// Rows of the queries (and of the output).
    public var queries: Range<Int>
    /// Where its keys and values lie.
    public var pages: KeyValuePages
    /// Keys in all.
    public var keyCount: Int
    /// Keys that precede the first query when each query sees only keys up to its own; nil when all see all.
    public var causalPast: Int?

    /// A segment.
    public init(queries: Range<Int>, pages: KeyValuePages, keyCount: Int, causalPast: Int? = nil) {
        self.queries = queries
        self.pages = pages
        self.keyCount = keyCount
        self.causalPast = causalPast
    }
}

/// Weights of attention that are dropped in training, after the softmax; the others are divided by 1 − `probability`.
///
/// Which is a function of seed, offset, head, row of the query and number of the key alone, so that nothing is stored and
/// what is computed again drops the same.
public struct AttentionDropout: Sendable, Equatable {
    /// Share of weights dropped, in 0..<1.
    public let probability: Double
    /// Of the pass.
    public let seed: UInt64
    /// Of the attention's place in the model: others drop others.
    public let offset: UInt64

    /// One of a place.
    public init(probability: Double, seed: UInt64, offset: UInt64) {
        precondition(probability >= 0 && probability < 1, "AttentionDropout: probability \(probability)")
        (self.probability, self.seed, self.offset) = (probability, seed, offset)
    }
}
