// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// The self-attention keys (rotated) and values of one sequence, for all layers, in pages.
///
/// A value: a copy shares all pages with the original, and whichever of the two goes on copies only the last, partly
/// filled one. Beams, shared prompts of `score` and turns of a chat cost no more than that.
public struct KVCache: Sendable {
    /// Tokens of a page: small, since forking copies up to one page; large enough for the kernels' tiles.
    public static let pageTokens = 16

    /// Layers of the decoder.
    public let layerCount: Int
    /// Heads of keys and values.
    public let kvHeads: Int
    /// Elements of a head.
    public let headDim: Int
    /// How keys and values are stored.
    public let type: KeyValueType
    /// Where they lie.
    public let device: Device
    /// Tokens held.
    public private(set) var count = 0

    private var pages: [Page] = []
    private var tables: [KeyValuePages]

    /// One page: for each layer its keys, then its values, each `pageTokens` rows.
    private final class Page: Sendable {
        let place: MemoryPlace

        init(byteCount: Int, on device: Device) {
            place = MemoryPlace(device.memory.allocate(byteCount: byteCount, on: device))
        }
    }

    /// An empty cache.
    public init(layerCount: Int, kvHeads: Int, headDim: Int, type: KeyValueType = .f32, device: Device = .cpu) {
        self.layerCount = layerCount
        self.kvHeads = kvHeads
        self.headDim = headDim
        self.type = type
        self.device = device
        tables = Array(repeating: KeyValuePages(pageTokens: Self.pageTokens, type: type), count: layerCount)
    }

    private var rowByteCount: Int { type.rowByteCount(kvHeads: kvHeads, headDim: headDim) }
    /// Bytes of the keys (or values) of one layer in a page; the next ones begin at a cache line.
    private var halfPageByteCount: Int { (Self.pageTokens * rowByteCount + 63) / 64 * 64 }

    /// Makes room for `tokenCount` more tokens; afterwards `write` may be called for each layer.
    public mutating func reserve(_ tokenCount: Int) {
        let pageCount = (count + tokenCount + Self.pageTokens - 1) / Self.pageTokens
        let isLastPartial = count % Self.pageTokens != 0
        let byteCount = layerCount * 2 * halfPageByteCount
        var firstChanged = pages.count
        if tokenCount > 0, isLastPartial, !isKnownUniquelyReferenced(&pages[pages.count - 1]) {
            let copy = Page(byteCount: byteCount, on: device)
            copyBytes(from: pages[pages.count - 1].place, to: copy.place, byteCount: byteCount)
            pages[pages.count - 1] = copy
            firstChanged -= 1
        }
        while pages.count < pageCount { pages.append(Page(byteCount: byteCount, on: device)) }
        retable(from: firstChanged)
    }

    /// Writes keys and values of new tokens, `[n, kvHeads · headDim]` in f32, after those held; `advance` makes them count.
    ///
    /// - Precondition: room was reserved for them.
    public mutating func write(layer: Int, k: Tensor, v: Tensor) {
        let rows = k.shape[0]
        precondition(
            k.shape == [rows, kvHeads * headDim] && v.shape == k.shape,
            "KVCache: k \(k.shape), v \(v.shape), \(kvHeads) heads of \(headDim)"
        )
        precondition(count + rows <= pages.count * Self.pageTokens, "KVCache: \(rows) tokens were not reserved")
        var row = 0
        while row < rows {
            let slot = (count + row) % Self.pageTokens
            let run = row..<row + min(Self.pageTokens - slot, rows - row)
            let page = pages[(count + row) / Self.pageTokens].place
            let target = page.advanced(by: layer * 2 * halfPageByteCount + slot * rowByteCount)
            writeKeyValueRows(k[run], to: target, type: type, kvHeads: kvHeads)
            writeKeyValueRows(v[run], to: target.advanced(by: halfPageByteCount), type: type, kvHeads: kvHeads)
            row = run.upperBound
        }
    }

    /// Counts `tokenCount` tokens that were written to every layer.
    public mutating func advance(_ tokenCount: Int) {
        count += tokenCount
        precondition(count <= pages.count * Self.pageTokens, "KVCache: \(tokenCount) tokens were not reserved")
    }

    /// Forgets all but the first `tokenCount` tokens.
    public mutating func truncate(to tokenCount: Int) {
        precondition(tokenCount <= count, "KVCache: cannot keep \(tokenCount) of \(count) tokens")
        count = tokenCount
        let pageCount = (tokenCount + Self.pageTokens - 1) / Self.pageTokens
        guard pageCount < pages.count else { return }
        pages.removeLast(pages.count - pageCount)
        retable(from: pageCount)
    }

    /// Keys and values of `layer`, those that were written but not yet counted included.
    public func pages(layer: Int) -> KeyValuePages {
        tables[layer]
    }

    /// Renews the places of all pages from `firstPage` on.
    private mutating func retable(from firstPage: Int) {
        guard firstPage < pages.count || tables.first?.pageCount != pages.count else { return }
        for layer in 0..<layerCount {
            tables[layer].truncate(to: firstPage)
            for page in pages[firstPage...] {
                let k = page.place.advanced(by: layer * 2 * halfPageByteCount)
                tables[layer].append(k: k, v: k.advanced(by: halfPageByteCount))
            }
        }
    }
}
