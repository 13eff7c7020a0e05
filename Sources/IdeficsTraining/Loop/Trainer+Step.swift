// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsFoundation
import IdeficsTensor

// One step: micro-batches, gradients, update.

extension Trainer {
    /// Makes a step, or leaves the state as it was.
    func makeStep(_ log: inout TrainingLog) async throws {
        let before = state.progress
        do {
            try await advance(&log)
        } catch {
            state.progress = before
            throw error
        }
    }

    private func advance(_ log: inout TrainingLog) async throws {
        let config = recipe.trainer
        let batches = try await nextBatches()
        let rate = config.learningRate(step: state.progress.step, total: totalSteps)
        let result = try StepGradients(
            batches,
            of: trainable,
            in: &state.parameters,
            pass: TrainingPass(
                isCheckpointing: config.gradientCheckpointing,
                precision: config.precision,
                zLossWeight: Float(config.zLossWeight),
                zLossExcludedIds: parts.zLossExcludedIds,
                dropout: config.dropout ?? Double(trainable.config.dropout)
            ),
            seed: config.seed,
            firstMicroBatch: state.progress.microBatches
        )
        state.progress.add(batches)
        let problem = state.progress.spikes.reason(loss: result.loss, norm: result.norm, factor: config.spikeFactor)
        if let problem {
            lastProblem = problem
            report(.skippedStep(step: state.progress.step, reason: problem))
            state.parameters.zeroGradients()
            try rollBackIfDue()
        } else {
            state.progress.updates += 1
            state.parameters.step(
                OptimizerStep(
                    learningRate: rate,
                    gradientScale: config.gradientScale(norm: result.norm),
                    number: state.progress.updates
                )
            )
        }
        log.add(result, batches: batches, learningRate: rate)
    }

    /// The micro-batches of the step at hand; those of the next one are begun.
    private func nextBatches() async throws -> [TrainingBatch] {
        let (position, count, source) = (
            state.progress.position, recipe.trainer.gradientAccumulationSteps, parts.source
        )
        var found = await ahead?.value
        ahead = nil
        if found?.start != position { found = nil }
        let step: StepBatches
        if let found {
            step = found
        } else {
            step = await StepBatches(from: position, of: source, count: count)
        }
        for error in step.skipped { report(.skippedExample(error)) }
        let slice = try step.result.get()
        state.progress.position = slice.end
        if state.progress.step + 1 < totalSteps {
            ahead = Task { @concurrent in await StepBatches(from: slice.end, of: source, count: count) }
        }
        return slice.batches
    }

    /// Takes weights and moments of the last checkpoint after too many steps left out; the data goes on.
    ///
    /// Of those that a run has which is not stopped: one that a stop or an error left would change the result.
    private func rollBackIfDue() throws {
        let limit = recipe.trainer.rollbackAfterSkips
        guard limit > 0, state.progress.spikes.skippedInARow >= limit,
            let last = lastRegularCheckpoint(before: state.progress.step)
        else { return }
        let earlier = try folder.progress(last, recipe: recipe, source: parts.source, model: modelIdentity)
        try state.parameters.read(from: folder.checkpoint(last))
        state.progress.updates = earlier.updates
        state.progress.spikes.skippedInARow = 0
        report(.rolledBack(step: state.progress.step, toStep: last))
    }
}

extension TrainingState.Progress {
    /// Counts a step over `batches`.
    fileprivate mutating func add(_ batches: [TrainingBatch]) {
        step += 1
        microBatches += UInt64(batches.count)
        for batch in batches {
            tokens += batch.tokenCount
            images += batch.imageCount
            examples += batch.exampleCount
        }
    }
}
