// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import IdeficsTraining

/// `idefics train`.
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a model as a recipe says.",
        discussion: """
            A recipe is a YAML or JSON file with the sections data, parameters and trainer; docs/training.md lists every key with \
            its default. Keys that are not known are errors.
              idefics train recipe.yaml --set trainer.maxSteps=100 --set 'parameters.train=["lm_head.*"]'
            """
    )

    @Argument(help: "The recipe, a YAML or JSON file.")
    var recipe: String

    @Option(help: "Set a key of the recipe: section.key=value, the value in YAML (repeatable).")
    var set: [String] = []

    @OptionGroup var runOptions: RunOptions

    func run() async throws {
        let yaml = try TextFile.read(recipe)
        try await runOptions.train(TrainingRecipe(yaml: yaml, overrides: set))
    }
}
