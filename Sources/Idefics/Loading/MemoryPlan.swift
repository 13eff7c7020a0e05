// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCheckpoints
public import IdeficsTensor

/// What of a model stays in memory and what is read anew for every pass, because not all of it fits.
///
/// What every token needs comes first; of that, what stays is spread evenly over the layers, so that reading goes on
/// while they compute. Results are the same, bit for bit, as with all of it in memory.
public struct MemoryPlan: Sendable {
    /// Bytes of the weights that are used as a whole (all but the embedding, of which single rows are).
    public let weightByteCount: Int
    /// Bytes of memory that are there for them; more is there for activations and the key-value cache.
    public let availableByteCount: Int
    /// Bytes of weights that do not stay.
    public let streamedByteCount: Int
    /// Bytes of these that every pass of the decoder reads: every generated token (of all sequences of a batch
    /// together), and every prompt.
    public let streamedBytesPerPass: Int
    /// Bytes a second that come from where the weights are, measured; nil when that was not possible.
    public let readRate: Double?
    /// Reads ahead, as long as the model lives.
    let stream: WeightStream
    /// Bounds the freed memory that is kept, as long as the model lives.
    private let freedMemory: FreedMemoryRequest

    /// Seconds that one pass of the decoder spends reading; nil without a rate.
    public var secondsPerPass: Double? {
        readRate.map { Double(streamedBytesPerPass) / $0 }
    }

    /// What has been read and dropped so far.
    public var statistics: WeightStream.Statistics { stream.statistics }

    /// The plan for `model`, whose matrices are `matrices`, and what carries it out; nil when everything fits.
    init?(_ model: IdeficsModel, matrices: [(name: String, weight: Weight)], budget: MemoryBudget) {
        let parts = matrices.compactMap { name, weight in
            WeightUse(name, in: model).map { (name: name, weight: weight, use: $0) }
        }.enumerated().sorted { ($0.element.use, $0.offset) < ($1.element.use, $1.offset) }.map(\.element)
        let byteCounts = parts.map(\.weight.mappedByteCount)
        weightByteCount = byteCounts.reduce(0, +)
        let available = budget.availableByteCount
        // Room for what is no weight comes first, but not at any price: reading is slow, swapping caches is worse.
        let reserve = min(model.workingByteCount, available / 3)
        guard weightByteCount > available - reserve else { return nil }
        availableByteCount = available - reserve

        // Products take the matrices of a block together, so a window has room for the largest block, better for two.
        let blocks = Dictionary(zip(parts, byteCounts).map { (Self.block($0.name), $1) }, uniquingKeysWith: +)
        let largest = blocks.values.max() ?? 0
        let window = min(2 * largest, max(largest, availableByteCount / 2))
        var room = max(0, availableByteCount - window)
        var isResident = Array(repeating: false, count: parts.count)
        for isEveryPass in [true, false] {
            let candidates = parts.indices.filter { parts[$0].use.isEveryPass == isEveryPass }
            let stays = Self.spread(candidates.map { byteCounts[$0] }, room: room)
            for (index, stays) in zip(candidates, stays) where stays {
                isResident[index] = true
                room -= byteCounts[index]
            }
        }
        let streamed = parts.indices.filter { !isResident[$0] }
        streamedByteCount = streamed.reduce(0) { $0 + byteCounts[$1] }
        streamedBytesPerPass = streamed.filter { parts[$0].use.isEveryPass }.reduce(0) { $0 + byteCounts[$1] }
        readRate = streamed.max { byteCounts[$0] < byteCounts[$1] }
            .flatMap { WeightStream.readRate(of: parts[$0].weight) }

        for (name, weight) in matrices where WeightUse(name, in: model) == nil {
            WeightStream.readsSingleRows(of: weight)
        }
        freedMemory = Engine.limitFreedMemory(to: reserve / 2)
        stream = WeightStream(
            zip(parts, isResident).map { WeightStream.Unit($0.weight, isResident: $1) },
            first: parts.firstIndex { $0.use.isEveryPass } ?? 0,
            windowByteCount: window
        ) { resident in
            // The cache may grow beyond what was set aside for it; then fewer weights stay. A sixteenth is left free.
            let available = budget.availableByteCount
            return resident + window - (available - available / 16)
        }
    }

    /// The name of the block, attention or network or head, that the matrix `name` belongs to.
    private static func block(_ name: String) -> Substring {
        let parts = name.split(separator: ".")
        return name.prefix(parts.dropLast(2).reduce(0) { $0 + $1.utf8.count + 1 })
    }

    /// Which of things of `byteCounts` are chosen so that they fill `room` and lie evenly among the others.
    static func spread(_ byteCounts: [Int], room: Int) -> [Bool] {
        let total = byteCounts.reduce(0, +)
        guard total > room else { return byteCounts.map { _ in true } }
        let share = Double(room) / Double(max(total, 1))
        var due = 0.0
        var left = room
        return byteCounts.map { byteCount in
            due += Double(byteCount) * share
            guard due >= Double(byteCount), byteCount <= left else { return false }
            due -= Double(byteCount)
            left -= byteCount
            return true
        }
    }
}

/// When a matrix is used, in the order of a first pass.
struct WeightUse: Comparable {
    private let order: (phase: Int, layer: Int, isLayer: Int)
    /// Whether every pass of the decoder uses it (in gated blocks: if it sees images); else only encoding images does.
    var isEveryPass: Bool { order.phase > 0 }

    /// The use of the matrix `name` of a checkpoint; nil when it is never used as a whole.
    init?(_ name: String, in model: IdeficsModel) {
        let name = ParameterName(name)
        switch name.block {
        case .vision, .resampler, .rest(.vision), .rest(.resampler): order = (0, 0, 0)
        case .rest(.embedding):
            guard model.config.tieWordEmbeddings else { return nil }
            order = (2, 0, 0)
        case .gatedCrossAttention(let index) where index < model.decoder.gatedCrossAttnLayers.count:
            let block = model.decoder.gatedCrossAttnLayers[index]
            if ["cross_attn.k_proj.weight", "cross_attn.v_proj.weight"].contains(name.role) {
                order = (0, 1, 0)
            } else {
                let isOpen = name.role.hasPrefix("mlp.") ? block.isDenseGateOpen : block.isCrossAttnGateOpen
                guard isOpen else { return nil }
                order = (1, index * model.config.crossLayerInterval, 0)
            }
        case .layer(let index): order = (1, index, 1)
        case .gatedCrossAttention, .rest: order = (2, 0, 0)
        }
    }

    static func == (a: WeightUse, b: WeightUse) -> Bool { a.order == b.order }
    static func < (a: WeightUse, b: WeightUse) -> Bool { a.order < b.order }
}

extension IdeficsModel {
    /// Bytes that running needs beside the weights: activations of a prompt of 512 tokens, and its cache.
    fileprivate var workingByteCount: Int {
        let tokens = 512
        let activations = tokens * (3 * config.intermediateSize + 8 * config.hiddenSize) * MemoryLayout<Float>.size
        return (64 << 20) + activations + cacheBytes(context: tokens)
    }
}
