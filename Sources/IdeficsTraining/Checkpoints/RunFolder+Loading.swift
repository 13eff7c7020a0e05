// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

extension RunFolder {
    /// The numbers of the checkpoint of `step`, checked against the recipe, the data and the model.
    ///
    /// - Throws: `TrainingError.run` naming the file and what does not fit.
    func progress(
        _ step: Int,
        recipe: TrainingRecipe,
        source: any BatchSource,
        model: ModelIdentity
    ) throws -> TrainingState.Progress {
        let place = checkpoint(step)
        let stored = try stateFile(step)
        try recipe.check(continues: storedRecipe(step), at: place.path)
        guard stored.data == source.identity else {
            throw TrainingError.run(path: place.path, reason: "the training data is another than it was")
        }
        if let difference = stored.model?.difference(from: model) {
            throw TrainingError.run(path: place.path, reason: "the model is another than it was: \(difference)")
        }
        try stored.progress.check(
            step: step,
            source: source,
            at: place.appending(path: StateFile.name).path
        )
        return stored.progress
    }

    /// Whether the checkpoint of `step` was made by a run of this recipe, data and model, and holds nothing else.
    ///
    /// - Parameters:
    ///   - step: of the checkpoint.
    ///   - fileNames: the files of parameters that a checkpoint has.
    ///   - recipe: of the run.
    ///   - data: of the run.
    ///   - model: of the run.
    /// - Returns: whether it is the run's own.
    func isCheckpoint(
        _ step: Int,
        fileNames: [String],
        of recipe: TrainingRecipe,
        data: SourceValue,
        model: ModelIdentity
    ) -> Bool {
        let place = checkpoint(step)
        guard let names = try? Files.names(in: place.path),
            Set(names).isSubset(of: fileNames + [Self.recipeName, StateFile.name]),
            let stored = try? stateFile(step), let earlier = try? storedRecipe(step)
        else { return false }
        return stored.progress.step == step && stored.data == data && stored.model == model
            && (try? recipe.check(continues: earlier, at: place.path)) != nil
    }

    private func stateFile(_ step: Int) throws -> StateFile {
        let url = checkpoint(step).appending(path: StateFile.name)
        do {
            return try JSONReader.decode(StateFile.self, from: Files.read(url), file: url.path)
        } catch let error as JSONError {
            throw TrainingError.run(
                path: url.path,
                reason: [error.place, error.reason].filter { !$0.isEmpty }.joined(separator: ": ")
            )
        } catch {
            throw TrainingError.run(path: url.path, reason: "cannot be read: \(error.localizedDescription)")
        }
    }

    private func storedRecipe(_ step: Int) throws -> TrainingRecipe {
        let url = checkpoint(step).appending(path: Self.recipeName)
        do {
            return try TrainingRecipe(yaml: String(decoding: Files.read(url), as: UTF8.self))
        } catch let error as TrainingError {
            throw TrainingError.run(path: url.path, reason: "\(error)")
        } catch {
            throw TrainingError.run(path: url.path, reason: "cannot be read: \(error.localizedDescription)")
        }
    }
}
