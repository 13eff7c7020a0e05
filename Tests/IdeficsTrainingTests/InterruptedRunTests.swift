// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// Runs that are stopped, by an error or by their user, lose nothing and end as others do.
@Suite struct InterruptedRunTests {
    private let fixture: TrainingFixture

    init() throws { fixture = try TrainingFixture() }

    private func lines(_ output: String, _ step: Int) throws -> [Int] {
        try MetricsFile(folder: RunFolder(fixture.folder.path(output)).url, step: step).lines.map(\.step)
    }

    /// What was done before a picture that cannot be had is saved, and the run goes on from there without it.
    @Test(arguments: [1, 5])
    func aBadPictureLosesNoStep(loggingSteps: Int) async throws {
        try fixture.write(TrainingFixture.lines + [#"{"image":"none.png","text":"x"}"#], to: "train.jsonl")
        let options = ["trainer.maxSteps=6", "data.shuffle=false", "trainer.loggingSteps=\(loggingSteps)"]
        let told = Locked<[Int]>([])
        let failing = try fixture.trainer(fixture.recipe(options)) { event in
            if case .interrupted(let step, _) = event { told.withLock { $0.append(step) } }
        }
        await #expect(throws: TrainingError.self) { try await failing.run() }
        #expect(RunFolder(fixture.folder.path("run")).checkpointSteps() == [3])
        #expect(told.withLock { $0 } == [3])
        #expect(try lines("run", 3).last == 3)
        // As it was, the run fails at the same place and keeps what it has.
        let again = try fixture.trainer(fixture.recipe(options), isResuming: true)
        await #expect(throws: TrainingError.self) { try await again.run() }
        let skipping = options + ["data.badLines=skip"]
        let resumed = try fixture.trainer(fixture.recipe(skipping), isResuming: true)
        #expect(try await resumed.run() == .finished)
        if loggingSteps == 1 { #expect(try lines("run", 6) == Array(1...6)) }
        // It is the run that left the example out from the beginning.
        let whole = try fixture.trainer(fixture.recipe(skipping, output: "whole"))
        #expect(try await whole.run() == .finished)
        #expect(try fixture.lastCheckpoint("run") == fixture.lastCheckpoint("whole"))
    }

    /// Evaluation data that cannot be had costs no step either.
    @Test func aBadEvaluationLosesNoStep() async throws {
        try fixture.write([#"{"image":"none.png","text":"x"}"#], to: "eval.jsonl")
        let recipe = try fixture.recipe([
            "data.eval=\(fixture.folder.path("eval.jsonl"))", "trainer.evalSteps=2", "trainer.maxSteps=4",
        ])
        await #expect(throws: TrainingError.self) { try await fixture.trainer(recipe).run() }
        #expect(RunFolder(recipe.output).checkpointSteps() == [2])
        #expect(try lines("run", 2) == [1, 2])
    }

    /// A checkpoint that only a stop made is none to roll back to.
    @Test(arguments: [0, 1])
    func rollingBackDoesNotDependOnStops(limit: Int) async throws {
        let base = try FullParameters(directory: TrainingFixture.model)
        let failing = FailingParameters(base: base, failing: [7, 8])
        let options = [
            "trainer.maxSteps=11", "trainer.saveSteps=5", "trainer.rollbackAfterSkips=2", "data.shuffle=false",
            "trainer.saveTotalLimit=\(limit)",
        ]
        let back = Locked<[Int]>([])
        @Sendable func note(_ event: TrainingEvent) {
            if case .rolledBack(_, let step) = event { back.withLock { $0.append(step) } }
        }
        _ = try await fixture.trainer(fixture.recipe(options), trainable: failing, report: note).run()
        let stop = StopRequest()
        let stopped = try fixture.trainer(fixture.recipe(options, output: "other"), trainable: failing) { event in
            if case .step(let metrics, _, _) = event, metrics.step == 7 { stop.stop() }
        }
        #expect(try await stopped.run(stop: stop) == .stopped)
        #expect(RunFolder(fixture.folder.path("other")).checkpointSteps() == [5, 7])
        // Other checkpoints would be other weights to go back to.
        #expect(throws: TrainingError.self) {
            let recipe = try fixture.recipe(options + ["trainer.saveSteps=3"], output: "other")
            return try fixture.trainer(recipe, isResuming: true, trainable: failing)
        }
        let recipe = try fixture.recipe(options, output: "other")
        _ = try await fixture.trainer(recipe, isResuming: true, trainable: failing, report: note).run()
        #expect(back.withLock { $0 } == [5, 5])
        #expect(try fixture.lastCheckpoint("run") == fixture.lastCheckpoint("other"))
    }

    /// A run that learned nothing is a failure and writes no model.
    @Test func aRunWithoutUpdatesFails() async throws {
        let base = try FullParameters(directory: TrainingFixture.model)
        let recipe = try fixture.recipe(["trainer.maxSteps=3"])
        for isResuming in [false, true] {
            let trainer = try fixture.trainer(
                recipe,
                isResuming: isResuming,
                trainable: FailingParameters(base: base, failing: [0, 1, 2])
            )
            let error = await #expect(throws: TrainingError.self) { try await trainer.run() }
            #expect("\(String(describing: error))".contains("all 3 steps were left out"))
        }
        #expect(!FileManager.default.fileExists(atPath: recipe.output + "/model"))
    }

    /// Weights that are no numbers are no result.
    @Test func aModelWithoutNumbersIsNotExported() async throws {
        let recipe = try fixture.recipe([
            "trainer.maxSteps=1", "trainer.learningRate=1e29", "trainer.lrSchedulerType=constant",
            "trainer.learningRateMultipliers={\"*latents\": 1e29}",
        ])
        let error = await #expect(throws: TrainingError.self) { try await fixture.trainer(recipe).run() }
        #expect("\(String(describing: error))".contains("latents"))
        #expect(!FileManager.default.fileExists(atPath: recipe.output + "/model"))
    }

    /// A disk that is too full for the last checkpoint may have room for the result; here something is in the places of all
    /// else.
    @Test(arguments: [false, true])
    func theResultNeedsNoCheckpoint(isStopped: Bool) async throws {
        let recipe = try fixture.recipe(["trainer.maxSteps=\(isStopped ? 3 : 2)"])
        let stop = StopRequest()
        let failed = Locked<[Int]>([])
        let trainer = try fixture.trainer(recipe) { event in
            if case .saveFailed(let step, _) = event { failed.withLock { $0.append(step) } }
            guard case .step(let metrics, _, _) = event, metrics.step == 2 else { return }
            for name in ["checkpoint-2", "loss.svg", ".idefics-run.json"] {
                let url = URL(filePath: recipe.output).appending(path: name)
                try? FileManager.default.removeItem(at: url)
                try? FileManager.default.createDirectory(
                    at: url.appending(path: "mine"),
                    withIntermediateDirectories: true
                )
            }
            if isStopped { stop.stop() }
        }
        if isStopped {
            // It has nothing but its checkpoint.
            await #expect(throws: (any Error).self) { try await trainer.run(stop: stop) }
        } else {
            #expect(try await trainer.run() == .finished)
            #expect(failed.withLock { $0 } == [2])
            #expect(FileManager.default.fileExists(atPath: recipe.output + "/model/config.json"))
        }
        #expect(FileManager.default.fileExists(atPath: recipe.output + "/checkpoint-2/mine"))
    }

    /// Which key is another is said.
    @Test func otherRecipesAreNamed() async throws {
        _ = try await fixture.trainer(fixture.recipe(["trainer.maxSteps=1"])).run()
        let other = try fixture.recipe(["trainer.maxSteps=1", "trainer.seed=1", "data.maxTokens=99"])
        let error = #expect(throws: TrainingError.self) { try fixture.trainer(other, isResuming: true) }
        #expect("\(String(describing: error))".contains("(data.maxTokens, trainer.seed)"))
    }
}
