// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

/// A function of some tensors whose gradients are checked.
struct GradientCase: Sendable {
    let name: String
    let shapes: [[Int]]
    /// Least magnitude of the values: away from the kinks of a function.
    var margin: Float = 0
    let function: @Sendable ([Tensor]) -> Tensor
}

extension GradientCase {
    static let all = linears + adapters + attentions + norms + elements + rows + losses

    // MARK: - Linear

    private static let linears: [GradientCase] = [
        GradientCase(name: "linear", shapes: [[3, 5], [4, 5]]) { linear($0[0], LinearProduct(.dense($0[1]))) },
        GradientCase(name: "linear, bias, residual", shapes: [[3, 5], [4, 5], [4], [3, 4]]) {
            linear($0[0], LinearProduct(.dense($0[1]), bias: $0[2], residual: $0[3]))
        },
        GradientCase(name: "linear, constant scale", shapes: [[3, 5], [4, 5], [4], [3, 4]]) {
            let scale = Tensor([0.5, -2, 1, 0], shape: [4]).to($0[0].device)
            return linear($0[0], LinearProduct(.dense($0[1]), bias: $0[2], scale: scale, residual: $0[3]))
        },
        GradientCase(name: "linear, one gate", shapes: [[3, 5], [4, 5], [1], [3, 4]]) {
            linear($0[0], LinearProduct(.dense($0[1]), scale: tanh($0[2]), residual: $0[3]))
        },
        GradientCase(name: "linear, gates and activation", shapes: [[3, 5], [4, 5], [4], [4], [3, 4]]) {
            linear(
                $0[0],
                LinearProduct(.dense($0[1]), bias: $0[2], activation: .gelu, scale: $0[3], residual: $0[4])
            )
        },
        GradientCase(name: "linear, several products", shapes: [[3, 5], [4, 5], [2, 5], [2]]) {
            let y = linear($0[0], [LinearProduct(.dense($0[1])), LinearProduct(.dense($0[2]), bias: $0[3])])
            return concatenateColumns([y[1], y[0]])
        },
        GradientCase(name: "linear, low rank beside", shapes: [[3, 5], [2, 5], [4, 2]]) {
            let base = Tensor([Float](repeating: 0.5, count: 20), shape: [4, 5]).to($0[0].device)
            let y = linear($0[0], [LinearProduct(.dense(base)), LinearProduct(.dense($0[1]))])
            let scale = Tensor([Float(2)], shape: [1]).to($0[0].device)
            return linear(y[1], LinearProduct(.dense($0[2]), scale: scale, residual: y[0]))
        },
    ]

    /// Adapters alone, beside others, with dropout, and where an activation, a gate and a residual follow.
    private static let adapters: [GradientCase] = [
        GradientCase(name: "adapter", shapes: [[3, 5], [2, 5], [4, 2]]) {
            let base = Tensor([Float](repeating: 0.5, count: 20), shape: [4, 5]).to($0[0].device)
            let adapter = LowRankAdapter(a: $0[1], b: $0[2], scaling: 2)
            return linear($0[0], LinearProduct(.dense(base), adapter: adapter))
        },
        GradientCase(
            name: "adapter, several products, dropout",
            shapes: [[3, 5], [4, 5], [2, 5], [4, 2], [1, 5], [4, 1]]
        ) {
            let first = LowRankAdapter(a: $0[2], b: $0[3], scaling: 2, dropout: .init(probability: 0.4, seed: 1))
            let second = LowRankAdapter(a: $0[4], b: $0[5], scaling: 0.5)
            let y = linear(
                $0[0],
                [
                    LinearProduct(.dense($0[1]), adapter: first), LinearProduct(.dense($0[1])),
                    LinearProduct(.dense($0[1]), adapter: second),
                ]
            )
            return concatenateColumns(y)
        },
        GradientCase(
            name: "adapter, activation, gates, residual",
            shapes: [[3, 5], [2, 5], [4, 2], [4], [4], [3, 4]]
        ) {
            let base = Tensor([Float](repeating: 0.25, count: 20), shape: [4, 5]).to($0[0].device)
            let adapter = LowRankAdapter(a: $0[1], b: $0[2], scaling: 2)
            return linear(
                $0[0],
                LinearProduct(
                    .dense(base),
                    bias: $0[3],
                    activation: .gelu,
                    scale: $0[4],
                    residual: $0[5],
                    adapter: adapter
                )
            )
        },
    ]

    // MARK: - Attention

    /// Two packed sequences of grouped heads, causal; one row belongs to none.
    private static let attentions: [GradientCase] = [
        GradientCase(name: "attention, causal", shapes: [[7, 8], [7, 4], [7, 4]]) { input in
            let segments = [0..<4, 4..<6].map { rows in
                AttentionSegment(
                    queries: rows,
                    pages: KeyValuePages(k: input[1][rows], v: input[2][rows]),
                    keyCount: rows.count,
                    causalPast: 0
                )
            }
            return attention(input[0], segments, heads: 4, kvHeads: 2, scale: 0.7)
        },
        // The second image is seen by two runs, with the first and alone.
        GradientCase(name: "attention, images", shapes: [[6, 6], [6, 6], [6, 6]]) { input in
            let images = [0..<2, 2..<4, 4..<6]
            let segments = [(0..<2, [0, 1]), (2..<3, [2]), (4..<6, [1])].map { rows, seen in
                var pages = KeyValuePages(pageTokens: 2)
                for image in seen { pages.append(k: input[1][images[image]], v: input[2][images[image]]) }
                return AttentionSegment(queries: rows, pages: pages, keyCount: 2 * seen.count)
            }
            return attention(input[0], segments, heads: 2, kvHeads: 2, scale: 0.6)
        },
        GradientCase(name: "attention, weights dropped", shapes: [[6, 8], [6, 4], [6, 4]]) { input in
            let segments = [0..<4, 4..<6].map { rows in
                AttentionSegment(
                    queries: rows,
                    pages: KeyValuePages(k: input[1][rows], v: input[2][rows]),
                    keyCount: rows.count,
                    causalPast: 0
                )
            }
            let dropout = AttentionDropout(probability: 0.3, seed: 2, offset: 9)
            return attention(input[0], segments, heads: 4, kvHeads: 2, scale: 0.7, dropout: dropout)
        },
        GradientCase(name: "attention, queries alone", shapes: [[3, 4]]) { input in
            let keys = Tensor((0..<20).map { Float($0 * 7 % 11) / 5 - 1 }, shape: [5, 4]).to(input[0].device)
            let segment = AttentionSegment(queries: 0..<3, pages: KeyValuePages(k: keys, v: keys), keyCount: 5)
            return attention(input[0], [segment], heads: 2, kvHeads: 2, scale: 1)
        },
        GradientCase(name: "attention, values alone", shapes: [[5, 4]]) { input in
            let keys = Tensor((0..<20).map { Float($0 * 7 % 11) / 5 - 1 }, shape: [5, 4]).to(input[0].device)
            let pages = KeyValuePages(k: keys, v: input[0])
            let segment = AttentionSegment(queries: 0..<5, pages: pages, keyCount: 5)
            return attention(keys, [segment], heads: 1, kvHeads: 1, scale: 1)
        },
    ]

    // MARK: - Norms

    private static let norms: [GradientCase] = [
        GradientCase(name: "rmsNorm", shapes: [[4, 6], [6]], margin: 0.3) {
            rmsNorm($0[0], weight: $0[1], eps: 1e-5)
        },
        GradientCase(name: "rmsNorm of heads", shapes: [[3, 8], [4]], margin: 0.3) {
            rmsNorm($0[0], weight: $0[1], eps: 1e-5)
        },
        GradientCase(name: "layerNorm", shapes: [[4, 7], [7], [7]], margin: 0.3) {
            layerNorm($0[0], weight: $0[1], bias: $0[2], eps: 1e-5)
        },
        GradientCase(name: "layerNorm, no bias", shapes: [[4, 7], [7]], margin: 0.3) {
            layerNorm($0[0], weight: $0[1], bias: nil, eps: 1e-5)
        },
    ]

    // MARK: - Elements

    private static let elements: [GradientCase] = [
        GradientCase(name: "rope", shapes: [[4, 8]]) {
            let frequencies = Tensor([1, 0.1], shape: [2]).to($0[0].device)
            return rope($0[0], positions: [0, 1, 5, 300], inverseFrequencies: frequencies, heads: 2)
        },
        GradientCase(name: "swiglu", shapes: [[3, 5], [3, 5]]) { swiglu(gate: $0[0], up: $0[1]) },
        GradientCase(name: "add", shapes: [[3, 5], [3, 5]]) { add($0[0], $0[1]) },
        GradientCase(name: "tanh", shapes: [[9]]) { tanh($0[0]) },
        GradientCase(name: "scaled by one", shapes: [[3, 4], [1]]) { scaled($0[0], by: $0[1]) },
        GradientCase(name: "scaled by columns", shapes: [[3, 4], [4], [3, 4]]) {
            scaled($0[0], by: $0[1], residual: $0[2])
        },
        GradientCase(name: "dropout", shapes: [[5, 8]]) { dropout($0[0], probability: 0.4, seed: 3, offset: 17) },
        GradientCase(name: "relu", shapes: [[20]], margin: 0.1) { activate($0[0], .relu) },
        GradientCase(name: "gelu", shapes: [[20]]) { activate($0[0], .gelu) },
        GradientCase(name: "silu", shapes: [[20]]) { activate($0[0], .silu) },
        GradientCase(name: "quickGelu", shapes: [[20]]) { activate($0[0], .quickGelu) },
    ]

    // MARK: - Rows

    private static let rows: [GradientCase] = [
        GradientCase(name: "embedding", shapes: [[5, 3]]) { embedding(.dense($0[0]), ids: [4, 0, 4, 2]) },
        GradientCase(name: "concatenate", shapes: [[2, 3], [1, 3]]) { concatenate([$0[0], $0[1], $0[0]]) },
        GradientCase(name: "concatenateColumns", shapes: [[2, 3], [2, 1]]) {
            concatenateColumns([$0[1], $0[0], $0[1]])
        },
        GradientCase(name: "gatherRows", shapes: [[4, 3]]) { gatherRows($0[0], [3, 3, 1]) },
        GradientCase(name: "views", shapes: [[4, 6]]) {
            add($0[0][1..<3].reshaped([4, 3]), $0[0][0..<2].reshaped([4, 3])).reshaped([12])
        },
        GradientCase(name: "checkpoint", shapes: [[3, 4], [4, 4]]) { input in
            checkpoint {
                let inner = checkpoint { linear(input[0], LinearProduct(.dense(input[1]), activation: .silu)) }
                return linear(inner, LinearProduct(.dense(input[1]), residual: input[0]))
            }
        },
    ]

    // MARK: - Loss

    private static let losses: [GradientCase] = [
        GradientCase(name: "linearCrossEntropy", shapes: [[5, 6], [7, 6], [2, 6]]) {
            linearCrossEntropy($0[0], heads: [.dense($0[1]), .dense($0[2])], targets: [3, -100, 8, 0, 7]).total
        },
        GradientCase(name: "linearCrossEntropy, adapters", shapes: [[5, 6], [7, 6], [2, 6], [3, 6], [2, 3]]) {
            linearCrossEntropy(
                $0[0],
                heads: [.dense($0[1]), .dense($0[2])],
                adapters: [nil, LowRankAdapter(a: $0[3], b: $0[4], scaling: 2)],
                targets: [3, -100, 8, 0, 7]
            ).total
        },
        GradientCase(name: "linearCrossEntropy, adapters alone, dropout", shapes: [[2, 6], [7, 2]]) {
            let fixed = Tensor((0..<42).map { Float($0 * 7 % 11) / 5 - 1 }, shape: [7, 6]).to($0[0].device)
            let dropout = LowRankAdapter.Dropout(probability: 0.3, seed: 4)
            return linearCrossEntropy(
                fixed[0..<5],
                heads: [.dense(fixed)],
                adapters: [LowRankAdapter(a: $0[0], b: $0[1], scaling: 0.5, dropout: dropout)],
                targets: [3, 0, 6, 0, 2],
                zLossWeight: 0.2
            ).total
        },
        GradientCase(name: "linearCrossEntropy, z-loss", shapes: [[5, 6], [7, 6], [2, 6]]) {
            linearCrossEntropy(
                $0[0],
                heads: [.dense($0[1]), .dense($0[2])],
                targets: [3, -100, 8, -100, 7],
                zLossWeight: 0.3,
                zMask: [true, true, false, false, true]
            ).total
        },
    ]
}
