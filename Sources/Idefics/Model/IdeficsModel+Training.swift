// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsGeneration
import IdeficsNN
public import IdeficsTensor

/// How a pass that is differentiated is done.
public struct TrainingPass: Sendable, Equatable {
    /// Whether each layer keeps only its input and is computed again in the backward pass: same numbers, a third more time,
    /// memory of one layer instead of all.
    public var isCheckpointing: Bool
    /// Of the products of linear layers, and of what layers keep.
    public var precision: Precision
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
        precision: Precision = .f32,
        zLossWeight: Float = 0,
        zLossExcludedIds: Set<Int> = [],
        dropout: Double = 0,
        dropoutSeed: UInt64 = 0
    ) {
        precondition(dropout >= 0 && dropout < 1, "TrainingPass: dropout \(dropout)")
        self.dropout = dropout
        self.dropoutSeed = dropoutSeed
        self.isCheckpointing = isCheckpointing
        self.precision = precision
        self.zLossWeight = zLossWeight
        self.zLossExcludedIds = zLossExcludedIds
    }
}

extension IdeficsModel {
    /// The loss of a batch, over real tokens only, for `gradients(of:)`.
    ///
    /// Cross-entropy of each token with the label of the column after it (transformers' shift), over all columns of the
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
        try loss(batch, pass: pass).loss
    }

    /// The loss of a batch, and the decoder's outputs that it is computed from.
    private func loss(_ labeled: LabeledInputs, pass: TrainingPass) throws -> (loss: TokenLoss, hidden: Tensor) {
        let batch = try trainingBatch(labeled.inputs, rows: labeled.rows, pass: pass)
        let hidden = decoder(batch, WholeSequenceMemory(batch), pass.forward)
        let loss = linearCrossEntropy(
            hidden,
            heads: [lmHead.weight.weight] + (lmHead.additionalFc.map { [$0.weight] } ?? []),
            adapters: [lmHead.weight.adapter, lmHead.additionalFc?.adapter],
            targets: labeled.targets,
            zLossWeight: pass.zLossWeight,
            zMask: pass.zLossWeight == 0 ? nil : pass.zRows(batch.tokenIds),
            counts: pass.counts,
            precision: pass.precision
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
        let (loss, hidden) = try loss(batch, pass: pass)
        return (loss, isRight(hidden, targets: batch.targets, rows: batch.rows, precision: pass.precision))
    }

    /// For each row whether all its labels are the likeliest tokens.
    private func isRight(
        _ hidden: Tensor,
        targets: [Int],
        rows: [IdeficsInputs.Row],
        precision: Precision
    ) -> [Bool] {
        let rowOfToken = rows.indices.flatMap { row in Array(repeating: row, count: rows[row].columns.count) }
        let used = targets.indices.filter { targets[$0] >= 0 }
        var isRight = Array(repeating: true, count: rows.count)
        for start in stride(from: 0, to: used.count, by: Self.judgedAtOnce) {
            let tokens = Array(used[start..<min(start + Self.judgedAtOnce, used.count)])
            let scores = logits(gatherRows(hidden, tokens), precision: precision)
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
            zip(rows, try encodeSeen(inputs, rows: rows, pass.forward, isTraining: true)).map { row, images in
                DecoderBatch.Sequence(tokenIds: row.tokenIds, images: images, past: 0)
            }
        )
    }
}

extension TrainingPass {
    /// How blocks are run.
    fileprivate var forward: ForwardPass {
        ForwardPass(
            precision: precision,
            isCheckpointing: isCheckpointing,
            dropout: dropout > 0 ? BranchDropout(probability: dropout, seed: dropoutSeed) : nil
        )
    }
}
