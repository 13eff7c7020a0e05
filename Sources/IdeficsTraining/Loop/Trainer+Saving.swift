// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsTensor

extension Trainer {
    /// Keeps what was done before `error`, if anything was: hours of work are not to be lost to one bad image.
    func keepWhatIsDone(_ log: inout TrainingLog, _ error: any Error) {
        let step = state.progress.step
        if log.hasSteps { _ = log.line(state.progress, epoch: epoch, evaluation: nil) }
        if step > 0, savedStep != step { saveIfPossible(log) }
        if let savedStep { report(.interrupted(step: savedStep, by: error)) }
    }

    /// How often the data has been gone through.
    var epoch: Double { parts.source.progress(at: state.progress.position) }

    func saveIfPossible(_ log: TrainingLog) {
        do {
            try save(log)
        } catch {
            report(.saveFailed(step: state.progress.step, reason: "\(error)"))
        }
    }

    func save(_ log: TrainingLog) throws {
        log.flush()
        let place = try folder.save(
            state,
            recipe: recipe,
            data: parts.source.identity,
            model: modelIdentity
        )
        savedStep = state.progress.step
        // A run that was not stopped has it, too, and goes back to it.
        let rollbackStep = recipe.trainer.rollbackAfterSkips > 0 ? lastRegularCheckpoint(before: .max) : nil
        folder.rotate(limit: recipe.trainer.saveTotalLimit, keeping: rollbackStep) { step in
            folder.isCheckpoint(
                step,
                fileNames: state.parameters.fileNames,
                of: recipe,
                data: parts.source.identity,
                model: modelIdentity
            )
        }
        report(.saved(step: state.progress.step, path: place.relativePath))
    }

    /// The last checkpoint before `step` that a run has whether or not it was stopped; nil for none.
    func lastRegularCheckpoint(before step: Int) -> Int? {
        let every = recipe.trainer.saveSteps
        return folder.checkpointSteps().last { $0 > 0 && $0 < step && every > 0 && $0 % every == 0 }
    }

    /// Writes what was learned.
    func export() throws {
        let values = state.parameters.namedValues
        for parameter in trainable.parameters
        where values[parameter.name]?.withFloats({ $0.allSatisfy(\.isFinite) }) == false {
            throw TrainingError.run(
                path: recipe.output,
                reason:
                    "\(parameter.name) holds values that are no numbers, so nothing is exported; a smaller learning rate "
                    + "may help"
            )
        }
        let place = try folder.export(as: recipe.resultName) { try trainable.export(values, to: $0) }
        report(.exported(path: place.relativePath))
    }
}
