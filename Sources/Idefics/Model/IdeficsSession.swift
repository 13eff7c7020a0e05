// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsGeneration
import IdeficsNN
import IdeficsTensor

/// Live sequences of a model: their caches, and the images their next tokens see.
///
/// Not for use from several threads at once.
final class IdeficsSession: DecodingSession {
    /// One sequence. A value: copies share the cache's pages until they go different ways.
    struct Sequence {
        var cache: KVCache
        /// Images the next token sees, as the prompt's last one did.
        var images: [ImageContext]
    }

    let model: IdeficsModel
    private(set) var sequences: [Sequence] = []

    var vocabSize: Int { model.config.totalVocabSize }
    var sequenceCount: Int { sequences.count }

    /// A session without sequences.
    init(_ model: IdeficsModel) {
        self.model = model
    }

    /// A session that goes on from `sequences`.
    init(_ model: IdeficsModel, sequences: [Sequence]) {
        self.model = model
        self.sequences = sequences
    }

    /// Runs the prompts of a batch.
    ///
    /// - Returns: logits after each prompt's last token, `[rows, vocabSize]`.
    /// - Throws: `IdeficsError.input` when a field does not fit or a prompt is empty.
    func start(_ inputs: IdeficsInputs) throws -> Tensor {
        let rows = try inputs.rows(for: model.config)
        if let empty = rows.firstIndex(where: \.tokenIds.isEmpty) {
            throw IdeficsError.input(field: "attention_mask", reason: "row \(empty) has no token")
        }
        // Only images that some token sees are encoded, equal ones once.
        let slotsPerRow = inputs.images.tensor.shape[1]
        let seen = rows.enumerated().flatMap { row, content in
            Set(content.imageSlots.joined()).sorted().map { row * slotsPerRow + $0 }
        }
        let (states, indices) = try model.encode(inputs, slots: seen)
        let contexts = model.imageContexts(states)
        let contextOfSlot = Dictionary(uniqueKeysWithValues: zip(seen, indices))
        var imagesAfter: [[ImageContext]] = []
        let batch = DecoderBatch(
            rows.enumerated().map { row, content in
                let images = content.imageSlots.map { slots in
                    slots.compactMap { contextOfSlot[row * slotsPerRow + $0] }
                }
                imagesAfter.append((images.last ?? []).map { contexts[$0] })
                return DecoderBatch.Sequence(
                    tokenIds: content.tokenIds,
                    imageIndices: images,
                    images: contexts,
                    past: 0
                )
            }
        )
        var caches = rows.map { _ in model.makeCache() }
        let hidden = model.decode(batch, caches: &caches)
        sequences = zip(caches, imagesAfter).map { Sequence(cache: $0, images: $1) }
        return model.logits(gatherRows(hidden, batch.sequenceRows.map { $0.upperBound - 1 }))
    }

    /// Appends `tokenIds[i]` to sequence i, all in one pass; each list holds at least one token.
    ///
    /// - Returns: decoder outputs of all new tokens, the sequences one after the other, `[tokens, hidden]`.
    func extend(_ tokenIds: [[Int]]) -> Tensor {
        precondition(tokenIds.count == sequences.count, "extend: \(tokenIds.count) rows for \(sequences.count) sequences")
        let batch = DecoderBatch(
            zip(sequences, tokenIds).map { sequence, tokenIds in
                DecoderBatch.Sequence(
                    tokenIds: tokenIds,
                    imageIndices: tokenIds.map { _ in Array(sequence.images.indices) },
                    images: sequence.images,
                    past: sequence.cache.count
                )
            }
        )
        // The caches are moved out and back: a second reference would make every step copy a page.
        var caches = sequences.map(\.cache)
        for index in sequences.indices { sequences[index].cache = model.makeCache() }
        let hidden = model.decode(batch, caches: &caches)
        for (index, cache) in caches.enumerated() { sequences[index].cache = cache }
        return hidden
    }

    func step(tokenIds: [Int]) throws -> [Float] {
        model.logits(extend(tokenIds.map { [$0] })).floatArray()
    }

    func select(rows: [Int]) {
        sequences = rows.map { sequences[$0] }
    }
}
