// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension TrainingRecipe {
    /// Checks that this recipe continues a run of `earlier`.
    ///
    /// What may change decides no weight: how often is saved, logged and evaluated, where the data lies, what becomes of
    /// examples that cannot be had from now on. docs/training.md lists the keys.
    ///
    /// - Throws: `TrainingError.run` naming the keys that may not change and did.
    func check(continues earlier: TrainingRecipe, at path: String) throws {
        let changed = keys(changedSince: earlier.takingOver(self))
        guard changed.isEmpty else {
            throw TrainingError.run(
                path: path,
                reason:
                    "was made with another recipe (\(changed.joined(separator: ", "))); resume with the same, or begin a "
                    + "new run"
            )
        }
    }

    /// This recipe with the keys of `later` that may change in a run.
    private func takingOver(_ later: TrainingRecipe) -> TrainingRecipe {
        var recipe = self
        recipe.output = later.output
        recipe.data.train = later.data.train
        recipe.data.eval = later.data.eval
        recipe.data.samples = later.data.samples
        recipe.data.sampleTokens = later.data.sampleTokens
        recipe.data.badLines = later.data.badLines
        recipe.data.maxImagePixels = later.data.maxImagePixels
        recipe.data.maxImageBytes = later.data.maxImageBytes
        recipe.data.allowPrivateAddresses = later.data.allowPrivateAddresses
        recipe.trainer.loggingSteps = later.trainer.loggingSteps
        // Weights go back to the checkpoints there are.
        if later.trainer.rollbackAfterSkips == 0 { recipe.trainer.saveSteps = later.trainer.saveSteps }
        recipe.trainer.saveTotalLimit = later.trainer.saveTotalLimit
        recipe.trainer.evalSteps = later.trainer.evalSteps
        recipe.trainer.evalOnStart = later.trainer.evalOnStart
        recipe.trainer.peakFlops = later.trainer.peakFlops
        return recipe
    }

    /// Names of the keys whose values are others than in `other`, sorted.
    private func keys(changedSince other: TrainingRecipe) -> [String] {
        guard self != other else { return [] }
        func values(_ recipe: TrainingRecipe) -> [String: String] {
            guard let json = try? recipe.json, let object = try? JSONSerialization.jsonObject(with: json) else {
                return [:]
            }
            var found: [String: String] = [:]
            func add(_ value: Any, _ key: String) {
                guard let section = value as? [String: Any], !section.isEmpty else {
                    found[key] = "\(value)"
                    return
                }
                for (name, value) in section { add(value, key.isEmpty ? name : "\(key).\(name)") }
            }
            add(object, "")
            return found
        }
        let (now, before) = (values(self), values(other))
        let changed = Set(now.keys).union(before.keys).filter { now[$0] != before[$0] }.sorted()
        return changed.isEmpty ? ["some value"] : changed
    }
}
