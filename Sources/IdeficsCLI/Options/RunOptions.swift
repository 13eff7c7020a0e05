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

    @Flag(help: "Do not look at every example before the first step.")
    var noCheck = false

    @Flag(help: "Look at every example, write what was found, and stop; status 1 when no run could begin on it.")
    var checkOnly = false

    @Flag(help: "Decode every image when the examples are looked at; those by URL are not fetched for it.")
    var checkImages = false

    @Flag(help: "With --check-only: write what was found as a JSON object.")
    var json = false

    @OptionGroup var threadOptions: ThreadOptions

    func validate() throws {
        if noCheck, checkOnly || checkImages {
            throw ValidationError("--no-check and --check-\(checkOnly ? "only" : "images") exclude each other")
        }
        if json, !checkOnly { throw ValidationError("--json goes with --check-only") }
    }

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
        let data = noCheck ? nil : try await check(recipe, directory: directory)
        if checkOnly { return }
        let stop = StopRequest()
        let signals = StopSignals(stop)
        let output = TrainingOutput()
        let trainer = try Trainer(
            recipe: recipe,
            directory: directory,
            trainable: recipe.trainable(of: directory, adapter: adapter),
            data: data,
            isResuming: resume
        ) { output.show($0) }
        let outcome = try await trainer.run(stop: stop)
        output.finish()
        if outcome == .stopped { Terminal.note("stopped; go on with --resume") }
        withExtendedLifetime(signals) {}
    }

    /// Looks at the data and tells what was found.
    ///
    /// - Throws: what is wrong with the data, when no run can begin on it.
    private func check(_ recipe: TrainingRecipe, directory: URL) async throws -> CheckedData {
        let bar = ProgressBar(unit: .examples)
        let data = try await CheckedData(recipe: recipe, directory: directory, images: checkImages ? .decoded : .files)
        {
            bar.show(completed: Int64($0), total: Int64($1))
        }
        bar.finish()
        if json {
            try Terminal.writeJSON(CheckResult(isUsable: data.problem == nil, files: data.reports))
        } else {
            let lines = data.reports.flatMap(\.lines)
            if checkOnly { try Terminal.write(lines.map { "\($0)\n" }.joined()) } else { lines.forEach(Terminal.note) }
        }
        for example in data.reports.flatMap(\.problems).flatMap(\.examples) {
            Terminal.note(recipe.data.badLines == .skip ? "left out: \(example)" : example)
        }
        if let problem = data.problem { throw problem }
        return data
    }

    private struct CheckResult: Encodable {
        let isUsable: Bool
        let files: [DataReport]
    }
}
