// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

internal import CIdeficsKernels

extension CPUBackend {
    package func attentionGradient(_ gradient: Tensor, _ call: AttentionCall) -> AttentionGradient {
        let width = call.q.shape[1]
        let headDim = width / call.heads
        let kvWidth = call.kvHeads * headDim
        precondition(call.segments.allSatisfy { $0.pages.type == .f32 }, "attentionGradient: keys are not f32")
        let pages = AttentionPages(call.segments)
        let isCovered = call.segments.reduce(0) { $0 + $1.queries.count } == call.q.shape[0]
        let dq: Tensor? =
            !call.isQueryWanted
            ? nil : isCovered ? Tensor(uninitialized: call.q.shape) { _ in } : Tensor.zeros(call.q.shape)
        let wantedPages = call.arePagesWanted ? pages.first : []
        let found = wantedPages.map { place in
            let shape = [call.segments[place.segment].pages.pageTokens, kvWidth]
            let (k, v) = (Tensor.zeros(shape), Tensor.zeros(shape))
            return AttentionGradient.Page(segment: place.segment, index: place.index, k: k, v: v)
        }
        // The tables must stay in place during the call, so each is laid out in one array.
        var tables = PageTables()
        var dk: [UnsafeMutablePointer<Float>] = []
        var dv: [UnsafeMutablePointer<Float>] = []
        for segment in call.segments {
            tables.append(segment.pages)
            guard call.arePagesWanted else { continue }
            for page in segment.pages.k {
                let index = pages.index(of: page)
                dk.append(found[index].k.floats)
                dv.append(found[index].v.floats)
            }
        }
        withExtendedLifetime((gradient, call, dq, found)) {
            withTables(tables.k, tables.v, dk, dv) { k, v, dk, dv in
                var page = 0
                let starts = call.segments.map { segment in
                    defer { page += segment.pages.pageCount }
                    return page
                }
                let kernelSegments = pages.order.map { index in
                    let segment = call.segments[index]
                    let offset = segment.queries.lowerBound * width
                    return idf_attention_gradient(
                        segment: idf_attention_segment(
                            q: call.q.floats + offset,
                            out: call.output.floats + offset,
                            query_count: Int64(segment.queries.count),
                            k_blocks: k.map { $0 + starts[index] },
                            v_blocks: v.map { $0 + starts[index] },
                            block_tokens: Int64(segment.pages.pageTokens),
                            key_count: Int64(segment.keyCount),
                            causal_past: Int64(segment.causalPast ?? -1),
                            dropout: kernelDropout(call.dropout, row: segment.queries.lowerBound)
                        ),
                        dout: gradient.floats + offset,
                        dq: dq.map { $0.floats + offset },
                        dk_blocks: dk.map { $0 + starts[index] },
                        dv_blocks: dv.map { $0 + starts[index] },
                        cluster: Int64(pages.cluster[index])
                    )
                }
                idf_attention_backward(
                    kernelSegments,
                    Int64(kernelSegments.count),
                    Int64(call.heads),
                    Int64(call.kvHeads),
                    Int64(headDim),
                    Int64(width),
                    Int64(width),
                    Int64(kvWidth),
                    call.scale
                )
            }
        }
        return AttentionGradient(q: dq, pages: found)
    }

    /// What `dropout` is for a segment whose first query is `row`.
    func kernelDropout(_ dropout: AttentionDropout?, row: Int) -> idf_attention_dropout {
        guard let dropout else { return idf_attention_dropout() }
        return idf_attention_dropout_of(dropout.probability, dropout.seed, dropout.offset, Int64(row))
    }

    private typealias Table = UnsafePointer<UnsafeRawPointer>
    private typealias MutableTable = UnsafePointer<UnsafeMutablePointer<Float>>

    /// Calls `body` with the tables, nil for empty ones.
    private func withTables(
        _ k: [UnsafeRawPointer],
        _ v: [UnsafeRawPointer],
        _ dk: [UnsafeMutablePointer<Float>],
        _ dv: [UnsafeMutablePointer<Float>],
        _ body: (Table?, Table?, MutableTable?, MutableTable?) -> Void
    ) {
        k.withUnsafeBufferPointer { k in
            v.withUnsafeBufferPointer { v in
                dk.withUnsafeBufferPointer { dk in
                    dv.withUnsafeBufferPointer { dv in
                        body(
                            k.baseAddress,
                            v.baseAddress,
                            dk.isEmpty ? nil : dk.baseAddress,
                            dv.isEmpty ? nil : dv.baseAddress
                        )
                    }
                }
            }
        }
    }
}

extension AttentionGradient {
    /// Where each distinct page of `segments` is used first, in the order of first use.
    package static func distinctPages(of segments: [AttentionSegment]) -> [(segment: Int, index: Int)] {
        AttentionPages(segments).first
    }
}

/// The distinct pages of segments, and which segments share some.
private struct AttentionPages {
    /// Where each distinct page is used first.
    private(set) var first: [(segment: Int, index: Int)] = []
    /// For each segment the number of its cluster: segments with pages in common have the same.
    private(set) var cluster: [Int] = []
    private var indices: [MemoryPlace: Int] = [:]

    init(_ segments: [AttentionSegment]) {
        var clusterOfPage: [Int] = []
        for (number, segment) in segments.enumerated() {
            cluster.append(number)
            for (place, page) in segment.pages.k.enumerated() {
                guard let index = indices[page] else {
                    indices[page] = first.count
                    first.append((number, place))
                    clusterOfPage.append(number)
                    continue
                }
                let (own, other) = (cluster[number], cluster[clusterOfPage[index]])
                guard own != other else { continue }
                for earlier in cluster.indices where cluster[earlier] == own { cluster[earlier] = other }
            }
        }
    }

    /// Segments cluster by cluster, each in the order given.
    var order: [Int] {
        cluster.indices.sorted { (cluster[$0], $0) < (cluster[$1], $1) }
    }

    func index(of page: MemoryPlace) -> Int {
        guard let index = indices[page] else { preconditionFailure("attentionGradient: an unknown page") }
        return index
    }
}
