// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsNN
import IdeficsTensor

/// The decoder: a Llama language model, before every `crossLayerInterval`-th layer of it a gated cross-attention block.
///
/// docs/model-spec.md §3.8–3.9; `IdeficsModel` of transformers from the embedding to the final norm.
struct IdeficsDecoder: Sendable {
    /// Embeds tokens.
    let embedTokens: DecoupledEmbedding
    /// Gated blocks and layers in the order they are run.
    let blocks: [Block]
    /// The gated blocks alone, by their numbers.
    let gatedCrossAttnLayers: [GatedCrossAttentionLayer]
    /// The final norm.
    let norm: RMSNorm
    /// Positions of queries and keys.
    let rotary: RotaryEmbedding

    /// A block and its name.
    enum Block: Sendable {
        /// Gated block `index`, before layer `layer` of the language model.
        case gatedCrossAttention(index: Int, layer: Int, GatedCrossAttentionLayer)
        /// Layer `index` of the language model.
        case layer(index: Int, DecoderLayer)

        /// The name of the block.
        var name: BlockName {
            switch self {
            case .gatedCrossAttention(let index, _, _): .gatedCrossAttention(index)
            case .layer(let index, _): .layer(index)
            }
        }
    }

    /// A decoder of the given parts.
    ///
    /// - Parameters:
    ///   - embedTokens: the embedding.
    ///   - gatedCrossAttnLayers: a block for each `interval` layers.
    ///   - layers: of the language model.
    ///   - interval: layers from one gated block to the next.
    ///   - norm: the final norm.
    ///   - rotary: the position embedding.
    init(
        embedTokens: DecoupledEmbedding,
        gatedCrossAttnLayers: [GatedCrossAttentionLayer],
        layers: [DecoderLayer],
        interval: Int,
        norm: RMSNorm,
        rotary: RotaryEmbedding
    ) {
        self.embedTokens = embedTokens
        self.gatedCrossAttnLayers = gatedCrossAttnLayers
        self.norm = norm
        self.rotary = rotary
        blocks = layers.enumerated().flatMap { index, layer in
            let block = Block.layer(index: index, layer)
            guard index % interval == 0 else { return [block] }
            let gated = index / interval
            return [.gatedCrossAttention(index: gated, layer: index, gatedCrossAttnLayers[gated]), block]
        }
    }

    /// Runs tokens through the decoder.
    ///
    /// - Parameters:
    ///   - batch: the tokens.
    ///   - memory: what tokens see: keys and values of images and of the tokens before them.
    ///   - pass: how blocks are run.
    /// - Returns: `[rows, hidden]`, normalized, ready for the head.
    func callAsFunction(_ batch: DecoderBatch, _ memory: some DecoderMemory, _ pass: ForwardPass) -> Tensor {
        var hidden = embedTokens(batch.tokenIds)
        pass.observe?("text.embed", hidden)
        for block in blocks {
            hidden = pass.run(block.name) { [hidden, rotary] in
                switch block {
                case .gatedCrossAttention(let index, let layer, let block):
                    block(
                        hidden,
                        runs: batch.imageRuns,
                        index: index,
                        layer: layer,
                        pass,
                        keysValues: memory.imageKeysValues(of: block, index: index, pass)
                    )
                case .layer(let index, let layer):
                    layer(hidden, batch: batch, index: index, rotary: rotary, pass) { sequence, k, v in
                        memory.segment(layer: index, sequence: sequence, k: k, v: v)
                    }
                }
            }
        }
        let output = norm(hidden)
        pass.observe?("final_norm", output)
        return output
    }
}

/// What the tokens of a pass see beside themselves.
protocol DecoderMemory {
    /// The keys and values of images in a gated block.
    func imageKeysValues(
        of block: GatedCrossAttentionLayer,
        index: Int,
        _ pass: ForwardPass
    ) -> (EncodedImage) -> KeyValuePages

    /// Takes new keys (rotated) and values of a sequence in a layer; returns what its new queries see.
    func segment(layer: Int, sequence: Int, k: Tensor, v: Tensor) -> AttentionSegment
}

/// Caches of sequences that go on, and images that were encoded for them; not for several passes at once.
final class CachedMemory: DecoderMemory {
    private let batch: DecoderBatch
    /// One for each sequence of the batch.
    private(set) var caches: [KVCache]

    /// A memory of the sequences of `batch`, with room for its tokens.
    init(_ batch: DecoderBatch, caches: consuming [KVCache]) {
        self.batch = batch
        self.caches = caches
        for (sequence, rows) in batch.sequenceRows.enumerated() { self.caches[sequence].reserve(rows.count) }
    }

    func imageKeysValues(
        of block: GatedCrossAttentionLayer,
        index: Int,
        _ pass: ForwardPass
    ) -> (EncodedImage) -> KeyValuePages {
        { $0.keysValues[index] }
    }

    func segment(layer: Int, sequence: Int, k: Tensor, v: Tensor) -> AttentionSegment {
        caches[sequence].write(layer: layer, k: k, v: v)
        let past = caches[sequence].count
        return AttentionSegment(
            queries: batch.sequenceRows[sequence],
            pages: caches[sequence].pages(layer: layer),
            keyCount: past + k.shape[0],
            causalPast: past
        )
    }

    /// The caches with the tokens of the batch, which have been run.
    func finish() -> [KVCache] {
        var result: [KVCache] = []
        swap(&result, &caches)
        for (sequence, rows) in batch.sequenceRows.enumerated() { result[sequence].advance(rows.count) }
        return result
    }
}

/// Whole sequences, which keep nothing, as training has them.
struct WholeSequenceMemory: DecoderMemory {
    private let batch: DecoderBatch
    /// Every image some row sees, once, in order of appearance.
    private let images: [EncodedImage]

    /// A memory of the sequences of `batch`.
    init(_ batch: DecoderBatch) {
        self.batch = batch
        var seen: Set<ObjectIdentifier> = []
        images = batch.imageRuns.flatMap(\.images).filter { seen.insert(ObjectIdentifier($0)).inserted }
    }

    /// Keys and values of a block live as long as the block is run: of all blocks they would be the largest thing.
    func imageKeysValues(
        of block: GatedCrossAttentionLayer,
        index: Int,
        _ pass: ForwardPass
    ) -> (EncodedImage) -> KeyValuePages {
        guard block.isCrossAttnGateOpen, let first = images.first else { return { _ in KeyValuePages(pageTokens: 1) } }
        let tokens = first.hiddenStates.shape[0]
        let (k, v) = block.keysValues(concatenate(images.map(\.hiddenStates)), precision: pass.precision)
        let pages = images.indices.map { index in
            let rows = index * tokens..<(index + 1) * tokens
            return (ObjectIdentifier(images[index]), KeyValuePages(k: k[rows], v: v[rows]))
        }
        let pageOfImage = Dictionary(uniqueKeysWithValues: pages)
        return { pageOfImage[ObjectIdentifier($0)] ?? KeyValuePages(pageTokens: 1) }
    }

    func segment(layer: Int, sequence: Int, k: Tensor, v: Tensor) -> AttentionSegment {
        AttentionSegment(wholeSequence: batch.sequenceRows[sequence], k: k, v: v)
    }
}
