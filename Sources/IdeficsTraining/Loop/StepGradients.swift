// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Idefics
import IdeficsFoundation
package import IdeficsTensor

/// What the micro-batches of a step gave, beside the gradients, which the store has.
package struct StepGradients {
    /// Mean cross-entropy over all targets.
    package private(set) var loss = 0.0
    /// Mean of logsumexp² over all rows of the z-loss.
    package private(set) var zLoss = 0.0
    /// Norm over all parameters.
    package let norm: Double
    /// Operations of the products that were computed; see `OperationCount`.
    package private(set) var operations = 0.0

    /// Runs the micro-batches forward and back.
    ///
    /// Losses are means over all targets, and all rows of the z-loss, of the step, however they lie in micro-batches. The
    /// gradient of each micro-batch is complete before it is added to those before it.
    ///
    /// - Parameters:
    ///   - batches: the micro-batches, with at least one target together.
    ///   - trainable: what is trained.
    ///   - store: has the values, and gets the gradients.
    ///   - pass: how losses are computed.
    ///   - seed: of the run.
    ///   - firstMicroBatch: number of the first micro-batch in the run.
    /// - Throws: what making the model and checking the batches throw.
    package init(
        _ batches: [TrainingBatch],
        of trainable: any TrainableParameters,
        in store: inout some ParameterStore,
        pass: TrainingPass,
        seed: UInt64,
        firstMicroBatch: UInt64
    ) throws {
        store.zeroGradients()
        let labeled = try batches.map {
            try LabeledInputs($0.inputs, labels: $0.labels, config: trainable.config)
        }
        let counts = labeled.map { $0.lossCounts(for: pass) }
        var pass = pass
        pass.counts = LossCounts(
            targets: counts.reduce(0) { $0 + $1.targets },
            zRows: counts.reduce(0) { $0 + $1.zRows }
        )
        let blocks = store.blocks
        for (index, batch) in labeled.enumerated() {
            guard counts[index].targets > 0 || pass.zLossWeight != 0 && counts[index].zRows > 0 else { continue }
            let number = firstMicroBatch + UInt64(index)
            var random = RandomStream(seed: seed, stream: ~number)  // streams from 0 are the orders of epochs
            pass.dropoutSeed = random.next()
            let leaves = blocks.map { store.gather($0).mapValues { [pass] in $0.trainable(precision: pass.precision) } }
            defer { for block in blocks { store.release(block) } }
            let model = try trainable.model(
                leaves.reduce(into: [:]) { $0.merge($1) { $1 } },
                pass: .training(seed: seed, step: number)
            )
            let counted = try OperationCount.counting {
                let result = try model.trainingLoss(batch, pass: pass)
                // A loss that no parameter decides has no gradient.
                return (result, result.total.isRecorded ? gradients(of: result.total) : Gradients())
            }
            operations += counted.operations
            var (result, found) = counted.result
            loss += Double(result.crossEntropy)
            zLoss += Double(result.zMean)
            for (block, leaves) in zip(blocks, leaves) {
                store.add(leaves.compactMapValues { found.take($0) }, of: block)
            }
        }
        norm = store.gradientNorm()
    }
}

extension Engine {
    /// Keeps the memory of gradients, which are freed and made again in every step.
    ///
    /// - Parameters:
    ///   - trainable: what is trained.
    ///   - accumulates: whether steps have several micro-batches, whose gradients are complete before they are added.
    /// - Returns: the request, which ends with the object.
    package static func keepFreedMemory(
        forTraining trainable: any TrainableParameters,
        accumulates: Bool
    ) -> FreedMemoryRequest {
        let byteCount = trainable.parameters.reduce(0) { $0 + 4 * $1.count }
        return keepFreedMemory(upTo: (512 << 20) + (accumulates ? 2 : 1) * byteCount)
    }
}
