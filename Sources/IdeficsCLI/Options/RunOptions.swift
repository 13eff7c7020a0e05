// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsTraining

/// How a training run goes on and what it shows.
struct RunOptions: ParsableArguments {
    @Flag(help: "Go on from the last checkpoint in the run folder, if there is one: bit for bit as without the break.")
    var resume = false

    @OptionGroup var threadOptions: ThreadOptions

    /// Trains as `recipe` says.
    ///
    /// SIGTERM and SIGINT end the run behind the step it is at, with a checkpoint.
    func train(_ recipe: TrainingRecipe) async throws {
        threadOptions.apply()
        let bar = ProgressBar()
        let directory = try await modelDirectory(of: recipe.model) { bar.show($0) }
        var adapter: URL?
        if let name = recipe.lora?.adapter { adapter = try await adapterDirectory(of: name) { bar.show($0) } }
        bar.finish()
        let stop = StopRequest()
        let signals = StopSignals(stop)
        let output = TrainingOutput()
        let trainer = try Trainer(
            recipe: recipe,
            directory: directory,
            trainable: recipe.trainable(of: directory, adapter: adapter),
            isResuming: resume
        ) { output.show($0) }
        let outcome = try await trainer.run(stop: stop)
        output.finish()
        if outcome == .stopped { Terminal.note("stopped; go on with --resume") }
        withExtendedLifetime(signals) {}
    }
}
