// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsGeneration
import IdeficsNN
package import IdeficsTensor

/// Live sequences of a model: their caches, and the images their next tokens see.
///
/// Not for use from several threads at once.
package final class IdeficsSession: DecodingSession {
    /// One sequence.
    ///
    /// A value: copies share the cache's pages until they go different ways.
    package struct Sequence {
        /// Keys and values of `tokenIds`.
        var cache: KVCache
        /// All tokens so far.
        package var tokenIds: [Int] = []
        /// The images each of them sees; the next token sees those of the last.
        var images: [[EncodedImage]] = []

        /// How many tokens at the start of `tokenIds` with `images` this sequence has in its cache.
        func commonPrefix(_ tokenIds: [Int], _ images: [[EncodedImage]]) -> Int {
            let limit = min(tokenIds.count, self.tokenIds.count)
            return (0..<limit).first { tokenIds[$0] != self.tokenIds[$0] || !isSame(images[$0], self.images[$0]) }
                ?? limit
        }

        /// Forgets all but the first `count` tokens.
        package mutating func truncate(to count: Int) {
            cache.truncate(to: count)
            tokenIds.removeLast(tokenIds.count - count)
            images.removeLast(images.count - count)
        }
    }

    package let model: IdeficsModel
    /// How blocks are run, and how keys and values are stored.
    let pass: ForwardPass
    package private(set) var sequences: [Sequence]

    package var vocabSize: Int { model.config.totalVocabSize }
    package var sequenceCount: Int { sequences.count }

    /// A session that goes on from `sequences`, whose keys and values are stored as `keyValueType`.
    package init(_ model: IdeficsModel, sequences: [Sequence] = [], keyValueType: KeyValueType = .f32) {
        self.model = model
        pass = ForwardPass(keyValueType: keyValueType)
        self.sequences = sequences
    }

    /// Runs the prompts of a batch, from where an earlier sequence began in the same way.
    ///
    /// - Parameters:
    ///   - inputs: the prompts.
    ///   - earlier: a sequence whose cache may be used for a common beginning.
    /// - Returns: logits after each prompt's last token, `[rows, vocabSize]`.
    /// - Throws: `IdeficsError.input` when a field does not fit or a prompt is empty.
    package func start(_ inputs: IdeficsInputs, earlier: Sequence? = nil) throws -> Tensor {
        let rows = try inputs.rows(for: model.config)
        if let empty = rows.firstIndex(where: \.tokenIds.isEmpty) {
            throw IdeficsError.input(field: "attention_mask", reason: "row \(empty) has no token")
        }
        let images = try model.encodeSeen(inputs, rows: rows, known: earlier?.distinctImages ?? [], pass)
        var pending: [[Int]] = []
        sequences = []
        var newImages: [[[EncodedImage]]] = []
        for (content, rowImages) in zip(rows, images) {
            var sequence = earlier ?? Sequence(cache: model.makeCache(pass.keyValueType))
            // The last token is always run: its logits are what the caller wants.
            let shared = min(sequence.commonPrefix(content.tokenIds, rowImages), content.tokenIds.count - 1)
            sequence.truncate(to: shared)
            sequences.append(sequence)
            pending.append(Array(content.tokenIds[shared...]))
            newImages.append(Array(rowImages[shared...]))
        }
        try model.checkMemory(
            tokens: pending.reduce(0) { $0 + $1.count },
            outputRows: rows.count,
            keyValueType: pass.keyValueType
        )
        let hidden = extend(pending, images: newImages)
        var last = -1
        let lastRows = pending.map { tokens in
            last += tokens.count
            return last
        }
        return model.logits(gatherRows(hidden, lastRows))
    }

    /// Appends `tokenIds[i]` (at least one) to sequence i, all in one pass.
    ///
    /// - Parameters:
    ///   - tokenIds: new tokens of each sequence.
    ///   - images: the images each of them sees; nil for those of the sequence's last token.
    /// - Returns: decoder outputs of all new tokens, the sequences one after the other, `[tokens, hidden]`.
    package func extend(_ tokenIds: [[Int]], images: [[[EncodedImage]]]? = nil) -> Tensor {
        precondition(
            tokenIds.count == sequences.count,
            "extend: \(tokenIds.count) rows for \(sequences.count) sequences"
        )
        let images =
            images
            ?? zip(sequences, tokenIds).map { sequence, tokens in
                Array(repeating: sequence.images.last ?? [], count: tokens.count)
            }
        let batch = DecoderBatch(
            sequences.indices.map { index in
                DecoderBatch.Sequence(
                    tokenIds: tokenIds[index],
                    images: images[index],
                    past: sequences[index].cache.count
                )
            }
        )
        // The caches are moved out and back: a second reference would make every step copy a page.
        var caches = sequences.map(\.cache)
        for index in sequences.indices { sequences[index].cache = KVCache(layerCount: 0, kvHeads: 1, headDim: 1) }
        let memory = CachedMemory(batch, caches: consume caches)
        let hidden = model.decoder(batch, memory, pass)
        caches = memory.finish()
        for index in sequences.indices {
            sequences[index].cache = caches[index]
            sequences[index].tokenIds += tokenIds[index]
            sequences[index].images += images[index]
        }
        return hidden
    }

    package func step(tokenIds: [Int]) throws -> [Float] {
        model.logits(extend(tokenIds.map { [$0] })).toHost().floatArray()
    }

    package func select(rows: [Int]) {
        sequences = rows.map { sequences[$0] }
    }
}

extension IdeficsSession.Sequence {
    /// Every image some token sees, once.
    package var distinctImages: [EncodedImage] {
        var seen: Set<ObjectIdentifier> = []
        return images.joined().filter { seen.insert(ObjectIdentifier($0)).inserted }
    }
}
