// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// An embedding whose last rows, the added tokens, are a tensor of their own.
///
/// Source: `IdeficsDecoupledEmbedding` of transformers. Checkpoint names: `weight`, `additional_embedding.weight`.
public struct DecoupledEmbedding: Sendable {
    /// `[vocabSize, hidden]`.
    public let weight: Weight
    /// `[additionalVocabSize, hidden]`; nil without added tokens.
    public let additionalEmbedding: Weight?

    /// An embedding over the given tables.
    public init(weight: Weight, additionalEmbedding: Weight?) {
        self.weight = weight
        self.additionalEmbedding = additionalEmbedding
    }

    /// Rows of both tables together.
    public var vocabSize: Int { weight.shape[0] + (additionalEmbedding?.shape[0] ?? 0) }

    /// The rows of `tokenIds`, `[tokenIds.count, hidden]` in f32.
    ///
    /// - Precondition: every id is in `0..<vocabSize`.
    public func callAsFunction(_ tokenIds: [Int]) -> Tensor {
        let base = weight.shape[0]
        guard let additionalEmbedding, tokenIds.contains(where: { $0 >= base }) else {
            return embedding(weight, ids: tokenIds.map(Int32.init))
        }
        // Runs of ids of one table, in order: added tokens are few and far between.
        var parts: [Tensor] = []
        var start = 0
        while start < tokenIds.count {
            let isAdditional = tokenIds[start] >= base
            let end = tokenIds[start...].firstIndex { ($0 >= base) != isAdditional } ?? tokenIds.count
            let run = tokenIds[start..<end]
            parts.append(
                isAdditional
                    ? embedding(additionalEmbedding, ids: run.map { Int32($0 - base) })
                    : embedding(weight, ids: run.map(Int32.init))
            )
            start = end
        }
        return concatenate(parts)
    }
}
