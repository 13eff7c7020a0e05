// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// A batch with what is to be predicted, checked and taken apart once, for everything that is computed from it.
package struct LabeledInputs: Sendable {
    let inputs: IdeficsInputs
    /// The rows without padding.
    let rows: [IdeficsInputs.Row]
    /// For each real token the label of the column after it, −100 for none.
    let targets: [Int]

    /// Checks a batch.
    ///
    /// - Parameters:
    ///   - inputs: the batch.
    ///   - labels: `[batch, tokens]`, integers; negative for columns that do not count.
    ///   - config: of the model.
    /// - Throws: `IdeficsError.input` when a field does not fit.
    package init(_ inputs: IdeficsInputs, labels: Tensor, config: IdeficsConfig) throws {
        self.inputs = inputs
        rows = try inputs.rows(for: config)
        targets = try inputs.targets(of: labels, rows: rows, config: config)
    }

    /// How many rows count for the losses of `pass`.
    package func lossCounts(for pass: TrainingPass) -> LossCounts {
        let count = targets.count { $0 >= 0 }
        guard pass.zLossWeight != 0 else { return LossCounts(targets: count, zRows: count) }
        return LossCounts(targets: count, zRows: pass.zRows(rows.flatMap(\.tokenIds)).count { $0 })
    }
}

extension TrainingPass {
    /// Which of the tokens count for the z-loss.
    func zRows(_ tokenIds: [Int]) -> [Bool] {
        tokenIds.map { !zLossExcludedIds.contains($0) }
    }
}

extension IdeficsInputs {
    /// How many rows of a batch count for the losses of `pass`.
    ///
    /// - Parameters:
    ///   - labels: as for `trainingLoss`.
    ///   - config: of the model.
    ///   - pass: how the loss is computed.
    /// - Returns: the numbers.
    /// - Throws: `IdeficsError.input` when a field does not fit.
    public func lossCounts(labels: Tensor, config: IdeficsConfig, pass: TrainingPass) throws -> LossCounts {
        try LabeledInputs(self, labels: labels, config: config).lossCounts(for: pass)
    }

    /// For each real token the label of the column after it, −100 for none.
    fileprivate func targets(of labels: Tensor, rows: [Row], config: IdeficsConfig) throws -> [Int] {
        guard labels.shape == inputIds.shape, let values = labels.intArray() else {
            throw IdeficsError.input(
                field: "labels",
                reason: "\(labels.dtype) \(labels.shape) is not \(inputIds.shape) of integers"
            )
        }
        if let wrong = values.first(where: { $0 >= config.totalVocabSize }) {
            throw IdeficsError.input(
                field: "labels",
                reason: "id \(wrong) is not in the vocabulary of \(config.totalVocabSize)"
            )
        }
        let tokens = labels.shape[1]
        return rows.enumerated().flatMap { row, content in
            content.columns.map { $0 + 1 < tokens ? values[row * tokens + $0 + 1] : -100 }
        }
    }
}
