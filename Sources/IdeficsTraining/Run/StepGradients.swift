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
    /// Mean of logsumexp² over all rows of the z-loss.
    package let zLoss: Double
    /// Norm over all parameters, in their order.
    package let norm: Double
    /// Operations of the products that were computed; see `OperationCount`.
    package let operations: Double

    /// Runs the micro-batches forward and back.
    ///
    /// Losses are means over all targets, and all rows of the z-loss, of the step, however they lie in micro-batches.
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
        // Gradients are freed and made again in every step.
        Engine.keepFreedMemory(upTo: (512 << 20) + values.reduce(0) { $0 + 4 * $1.count })
        let leaves = values.map { $0.trainable() }
        let named = Dictionary(uniqueKeysWithValues: zip(trainable.parameters.map(\.name), leaves))
        let counts = try batches.map {
            try $0.inputs.lossCounts(labels: $0.labels, config: trainable.config, pass: pass)
        }
        let whole = LossCounts(
            targets: counts.reduce(0) { $0 + $1.targets },
            zRows: counts.reduce(0) { $0 + $1.zRows }
        )
        var found = Gradients()
        var (loss, zLoss, operations) = (0.0, 0.0, 0.0)
        for (index, batch) in batches.enumerated() {
            guard counts[index].targets > 0 || pass.zLossWeight != 0 && counts[index].zRows > 0 else { continue }
            let number = firstMicroBatch + UInt64(index)
            var pass = pass
            var random = RandomStream(seed: seed, stream: ~number)  // streams from 0 are the orders of epochs
            pass.dropoutSeed = random.next()
            pass.counts = whole
            let model = try trainable.model(
                named,
                pass: .training(seed: seed, step: number)
            )
            operations += try OperationCount.counting {
                let result = try model.trainingLoss(batch.inputs, labels: batch.labels, pass: pass)
                loss += Double(result.crossEntropy)
                zLoss += Double(result.zMean)
                // A loss that no parameter decides has no gradient.
                guard result.total.isRecorded else { return }
                // Sums are added to in place, where nobody else holds them.
                var earlier = Gradients()
                swap(&earlier, &found)
                found = IdeficsTensor.gradients(of: result.total, into: consume earlier)
            }.operations
        }
        let taken = leaves.map { found.take($0) }
        gradients = taken
        self.operations = operations
        self.loss = loss
        self.zLoss = zLoss
        norm = taken.reduce(0) { $0 + ($1.map(squaredNorm) ?? 0) }.squareRoot()
    }
}
