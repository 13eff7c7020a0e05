// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsGeneration
import IdeficsNN
public import IdeficsTensor

/// How a pass that is differentiated is done.
public struct TrainingPass: Sendable, Equatable {
    /// Whether each layer keeps only its input and is computed again on the way back: same numbers, a third more time,
    /// memory of one layer instead of all.
    public var isCheckpointing: Bool
    /// Whether products are in bf16 and what layers keep is, too; see `autocast(to:)`.
    public var isBF16: Bool
    /// Factor of the z-loss; 0 for none.
    public var zLossWeight: Float
    /// Tokens whose rows the z-loss leaves out (M4: `<image>`); it takes all other real tokens.
    public var zLossExcludedIds: Set<Int>

    /// What the losses are means over; nil for the batch itself.
    ///
    /// A micro-batch has those of its whole step.
    public var counts: LossCounts?

    /// Share of the elements of each branch's output and of the weights of attention that are dropped, in 0..<1; see
    /// `IdeficsConfig.dropout`.
    public var dropout: Double
    /// Which are dropped.
    public var dropoutSeed: UInt64

    /// A pass; by default in f32 without z-loss and dropout.
    public init(
        isCheckpointing: Bool = false,
        isBF16: Bool = false,
        zLossWeight: Float = 0,
        zLossExcludedIds: Set<Int> = [],
        dropout: Double = 0,
        dropoutSeed: UInt64 = 0
    ) {
        precondition(dropout >= 0 && dropout < 1, "TrainingPass: dropout \(dropout)")
        self.dropout = dropout
        self.dropoutSeed = dropoutSeed
        self.isCheckpointing = isCheckpointing
        self.isBF16 = isBF16
        self.zLossWeight = zLossWeight
        self.zLossExcludedIds = zLossExcludedIds
    }
}

extension IdeficsModel {
    /// The loss of a batch, over real tokens only, for `gradients(of:)`.
    ///
    /// Cross-entropy of each token with the label of the column behind it (transformers' shift), over all columns of the
    /// head, mean over labels that are not −100. The z-loss is over unshifted rows, as in M4. Without a
    /// z-loss weight `zMean` is that of the rows with a label. Parameters that are results of `trainable()` get gradients.
    ///
    /// - Parameters:
    ///   - inputs: the batch.
    ///   - labels: `[batch, tokens]`, integers; negative for columns that do not count.
    ///   - pass: how it is done.
    /// - Returns: the loss and its parts.
    /// - Throws: `IdeficsError.input` when a field does not fit.
    public func trainingLoss(
        _ inputs: IdeficsInputs,
        labels: Tensor,
        pass: TrainingPass = TrainingPass()
    ) throws -> TokenLoss {
        try trainingLoss(LabeledInputs(inputs, labels: labels, config: config), pass: pass)
    }

    /// The loss of a batch that is checked already; see `trainingLoss(_:labels:pass:)`.
    ///
    /// - Parameters:
    ///   - batch: for this model.
    ///   - pass: how it is done.
    /// - Returns: the loss and its parts.
    /// - Throws: `IdeficsError.input` when the images do not fit.
    package func trainingLoss(_ batch: LabeledInputs, pass: TrainingPass = TrainingPass()) throws -> TokenLoss {
        try autocast(to: pass.productType) { try loss(batch, pass: pass).loss }
    }

    /// The loss of a batch, and the decoder's outputs that it is computed from.
    private func loss(_ labeled: LabeledInputs, pass: TrainingPass) throws -> (loss: TokenLoss, hidden: Tensor) {
        let batch = try trainingBatch(labeled.inputs, rows: labeled.rows, pass: pass)
        let hidden = trainingStates(batch, pass: pass)
        let loss = linearCrossEntropy(
            hidden,
            heads: [lmHead.weight.weight] + (lmHead.additionalFc.map { [$0.weight] } ?? []),
            adapters: [lmHead.weight.adapter, lmHead.additionalFc?.adapter],
            targets: labeled.targets,
            zLossWeight: pass.zLossWeight,
            zMask: pass.zLossWeight == 0 ? nil : pass.zRows(batch.tokenIds),
            counts: pass.counts
        )
        return (loss, hidden)
    }

    /// The loss of a batch as `trainingLoss` has it, and which rows greedy search would have got right.
    ///
    /// A row is right when each of its labels is the likeliest token given all that is before it: then greedy search, asked
    /// for what the labels say, writes just that.
    ///
    /// - Parameters:
    ///   - inputs: the batch.
    ///   - labels: `[batch, tokens]`, integers; negative for columns that do not count.
    ///   - pass: how it is done.
    /// - Returns: the loss, and for each row whether all its labels are right; true for a row without any.
    /// - Throws: `IdeficsError.input` when a field does not fit.
    package func evaluationLoss(
        _ inputs: IdeficsInputs,
        labels: Tensor,
        pass: TrainingPass = TrainingPass()
    ) throws -> (loss: TokenLoss, isRight: [Bool]) {
        let batch = try LabeledInputs(inputs, labels: labels, config: config)
        return try autocast(to: pass.productType) {
            let (loss, hidden) = try loss(batch, pass: pass)
            return (loss, isRight(hidden, targets: batch.targets, rows: batch.rows))
        }
    }

    /// For each row whether all its labels are the likeliest tokens.
    private func isRight(_ hidden: Tensor, targets: [Int], rows: [IdeficsInputs.Row]) -> [Bool] {
        let rowOfToken = rows.indices.flatMap { row in Array(repeating: row, count: rows[row].columns.count) }
        let used = targets.indices.filter { targets[$0] >= 0 }
        var isRight = Array(repeating: true, count: rows.count)
        for start in stride(from: 0, to: used.count, by: Self.judgedAtOnce) {
            let tokens = Array(used[start..<min(start + Self.judgedAtOnce, used.count)])
            let scores = logits(gatherRows(hidden, tokens))
            let width = scores.shape[1]
            scores.toHost().withFloats { floats in
                for (row, token) in tokens.enumerated() {
                    // SAFETY: row < rows of the logits, and no pointer leaves the closure.
                    let logits = UnsafeBufferPointer(rebasing: floats[row * width..<(row + 1) * width])
                    if ScoreRow.argmax(logits) != targets[token] { isRight[rowOfToken[token]] = false }
                }
            }
        }
        return isRight
    }

    /// Tokens whose logits exist at a time in an evaluation.
    private static let judgedAtOnce = 64

    /// The batch with its images, those that some token sees.
    private func trainingBatch(
        _ inputs: IdeficsInputs,
        rows: [IdeficsInputs.Row],
        pass: TrainingPass
    ) throws -> DecoderBatch {
        DecoderBatch(
            zip(rows, try encodeSeen(inputs, rows: rows, training: pass)).map { row, images in
                DecoderBatch.Sequence(tokenIds: row.tokenIds, images: images, past: 0)
            }
        )
    }

    /// Decoder outputs of whole sequences, `[rows, hidden]`: `decode` without caches.
    private func trainingStates(_ batch: DecoderBatch, pass: TrainingPass) -> Tensor {
        let isCheckpointing = pass.isCheckpointing
        let dropout =
            pass.dropout > 0 ? BranchDropout(probability: pass.dropout, seed: pass.dropoutSeed) : nil
        let images = batch.distinctImages
        var hidden = embedTokens(batch.tokenIds)
        for (index, layer) in layers.enumerated() {
            if index % config.crossLayerInterval == 0 {
                let block = gatedCrossAttnLayers[index / config.crossLayerInterval]
                hidden = checkpoint(when: isCheckpointing) { [hidden] in
                    // Keys and values of a block live as long as the block: of all blocks they would be the largest thing.
                    let pages = block.pages(of: images)
                    return block(hidden, runs: batch.imageRuns, index: index, observe: nil, dropout: dropout) { image in
                        pages[ObjectIdentifier(image)] ?? KeyValuePages(pageTokens: 1)
                    }
                }
            }
            hidden = checkpoint(when: isCheckpointing) { [hidden, rotary] in
                layer(hidden, batch: batch, index: index, rotary: rotary, observe: nil, dropout: dropout) {
                    sequence,
                    k,
                    v in
                    AttentionSegment(wholeSequence: batch.sequenceRows[sequence], k: k, v: v)
                }
            }
        }
        return norm(hidden)
    }
}

extension TrainingPass {
    /// What products are in.
    fileprivate var productType: DType { isBF16 ? .bf16 : .f32 }
}

extension GatedCrossAttentionLayer {
    /// Keys and values of `images` in this block; none when its gate is closed.
    fileprivate func pages(of images: [EncodedImage]) -> [ObjectIdentifier: KeyValuePages] {
        guard isCrossAttnGateOpen, let first = images.first else { return [:] }
        let tokens = first.hiddenStates.shape[0]
        let (k, v) = keysValues(concatenate(images.map(\.hiddenStates)))
        let pages = images.indices.map { index in
            let rows = index * tokens..<(index + 1) * tokens
            return (ObjectIdentifier(images[index]), KeyValuePages(k: k[rows], v: v[rows]))
        }
        return Dictionary(uniqueKeysWithValues: pages)
    }
}

extension DecoderBatch {
    /// Every image some row sees, once, in order of appearance.
    fileprivate var distinctImages: [EncodedImage] {
        var seen: Set<ObjectIdentifier> = []
        return imageRuns.flatMap(\.images).filter { seen.insert(ObjectIdentifier($0)).inserted }
    }
}
