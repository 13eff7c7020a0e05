// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Idefics
import IdeficsGeneration
package import IdeficsTensor

/// The gradient of a step over all its micro-batches.
package struct StepGradients {
    /// One for each parameter; nil where the loss does not depend on it.
    package let gradients: [Tensor?]
    /// Mean cross-entropy over all targets.
    package let loss: Double
    /// Mean of logsumexp², micro-batches weighted by their targets.
    package let zLoss: Double
    /// Norm over all parameters, in their order.
    package let norm: Double

    /// Runs the micro-batches forward and back.
    ///
    /// Each counts by its targets, so that the step's loss is the mean over all targets however they lie in micro-batches
    /// (the z-loss of a micro-batch is a mean over its own rows, weighted likewise).
    ///
    /// - Parameters:
    ///   - batches: the micro-batches, with at least one target together.
    ///   - trainable: what is trained.
    ///   - values: of the parameters, in their order.
    ///   - pass: how losses are computed.
    ///   - seed: of the run.
    ///   - firstMicroBatch: number of the first micro-batch in the run.
    /// - Throws: what making the model and checking the batches throw.
    package init(
        _ batches: [TrainingBatch],
        of trainable: any TrainableParameters,
        values: [Tensor],
        pass: TrainingPass,
        seed: UInt64,
        firstMicroBatch: UInt64
    ) throws {
        let leaves = values.map { $0.trainable() }
        let named = Dictionary(uniqueKeysWithValues: zip(trainable.parameters.map(\.name), leaves))
        let targets = batches.reduce(0) { $0 + $1.targetCount }
        var found = Gradients()
        var (loss, zLoss) = (0.0, 0.0)
        for (index, batch) in batches.enumerated() where batch.targetCount > 0 {
            let number = firstMicroBatch + UInt64(index)
            var pass = pass
            var random = RandomStream(seed: seed, stream: ~number)  // streams from 0 are the orders of epochs
            pass.dropoutSeed = random.next()
            let model = try trainable.model(
                named,
                pass: .training(seed: seed, step: number)
            )
            let result = try model.trainingLoss(batch.inputs, labels: batch.labels, pass: pass)
            let share = Double(batch.targetCount) / Double(targets)
            loss += share * Double(result.crossEntropy)
            zLoss += share * Double(result.zMean)
            found = IdeficsTensor.gradients(
                of: result.total,
                seed: share == 1 ? nil : Tensor([Float(share)], shape: [1]),
                into: found
            )
        }
        let taken = leaves.map { found.take($0) }
        gradients = taken
        self.loss = loss
        self.zLoss = zLoss
        norm = taken.reduce(0) { $0 + ($1.map(squaredNorm) ?? 0) }.squareRoot()
    }
}
