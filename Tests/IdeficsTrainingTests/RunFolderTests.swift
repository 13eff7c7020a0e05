// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// A run replaces and removes only what it made itself.
@Suite struct RunFolderTests {
    private let fixture: TrainingFixture
    private var model: URL { fixture.folder.url.appending(path: "model") }

    init() throws {
        fixture = try TrainingFixture()
        try FileManager.default.copyItem(at: TrainingFixture.model, to: model)
    }

    private func trainer(_ output: String, _ options: [String] = [], isResuming: Bool = false) throws -> Trainer {
        let recipe = try fixture.recipe(["trainer.maxSteps=2"] + options, output: output)
        return try Trainer(
            recipe: recipe,
            directory: model,
            trainable: recipe.trainable(of: model),
            isResuming: isResuming
        )
    }

    /// Writes a file, and the folders above it.
    private func put(_ bytes: [UInt8], _ name: String) throws {
        let url = fixture.folder.url.appending(path: name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }

    private func names(_ path: String) throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: fixture.folder.path(path)))
    }

    /// The model lies where the result would, the run folder is the model's own, a link leads there.
    @Test(arguments: [false, true])
    func theModelIsNeverReplaced(isResuming: Bool) throws {
        let before = try names("model")
        let link = fixture.folder.url.appending(path: "link")
        try FileManager.default.createSymbolicLink(at: link, withDestinationURL: model)
        try FileManager.default.createDirectory(
            at: fixture.folder.url.appending(path: "linked"),
            withIntermediateDirectories: true
        )
        try FileManager.default.createSymbolicLink(
            at: fixture.folder.url.appending(path: "linked/model"),
            withDestinationURL: model
        )
        for output in [".", "model", "link", "linked", "model/../"] {
            #expect(throws: TrainingError.self, "\(output)") { try trainer(output, isResuming: isResuming) }
        }
        #expect(try names("model") == before)
        #expect(try !names(".").contains(".lock"))
        // Adapters go elsewhere.
        _ = try trainer(".", ["lora.r=2"])
    }

    /// Whatever is in the place of a result and is none of this run stays.
    @Test func othersResultsAreNotReplaced() async throws {
        try put([1], "file/model")
        try put([1], "folder/model/mine.txt")
        try put([1], "numbers/metrics.jsonl")
        try put([1], "curve/loss.svg")
        for output in ["file", "folder", "numbers", "curve"] {
            for isResuming in [false, true] {
                #expect(throws: TrainingError.self, "\(output)") { try trainer(output, isResuming: isResuming) }
            }
        }
        // An empty folder is nobody's result.
        let empty = fixture.folder.url.appending(path: "empty/model")
        try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: true)
        #expect(try await trainer("empty").run() == .finished)
    }

    /// The run's own result is replaced when the run goes on, unless somebody has worked on it.
    @Test func onlyOwnResultsAreReplaced() async throws {
        #expect(try await trainer("run").run() == .finished)
        #expect(throws: TrainingError.self) { try trainer("run") }
        #expect(try await trainer("run", isResuming: true).run() == .finished)
        for step in RunFolder(fixture.folder.path("run")).checkpointSteps() {
            try FileManager.default.removeItem(atPath: fixture.folder.path("run/checkpoint-\(step)"))
        }
        #expect(throws: TrainingError.self) { try trainer("run") }
        #expect(try await trainer("run", isResuming: true).run() == .finished)
        try put(Array("{}".utf8), "run/model/generation_config.json")
        let error = #expect(throws: TrainingError.self) { try trainer("run", isResuming: true) }
        #expect("\(String(describing: error))".contains("run/model"))
        // The result of a run may be the model of the next, in the same folder least of all.
        let result = fixture.folder.url.appending(path: "run/model")
        let recipe = try fixture.recipe(["trainer.maxSteps=2"])
        #expect(throws: TrainingError.self) {
            try Trainer(
                recipe: recipe,
                directory: result,
                trainable: recipe.trainable(of: result),
                isResuming: true
            )
        }
    }

    /// A user may call things as he likes.
    @Test func whatAUserKeepsStays() async throws {
        let kept = [
            "model.old/a", "adapter.old", "checkpoint-best.old", "checkpoint-2.old/a", ".model-mine.tmp",
            ".model.mine.tmp",
            ".adapter.tmp.old", ".metrics.jsonl.mine.tmp", ".checkpoint-1.old/a", "checkpoint-007/a",
            "checkpoint-1.bak/a",
        ]
        for name in kept { try put([1], "run/\(name)") }
        let options = ["trainer.maxSteps=4", "trainer.saveSteps=1", "trainer.saveTotalLimit=1"]
        let stop = StopRequest()
        stop.stop()
        #expect(try await trainer("run", options).run(stop: stop) == .stopped)
        #expect(try await trainer("run", options, isResuming: true).run() == .finished)
        for name in kept {
            #expect(FileManager.default.fileExists(atPath: fixture.folder.path("run/\(name)")), "\(name)")
        }
        #expect(RunFolder(fixture.folder.path("run")).checkpointSteps() == [4])
    }

    /// Texts of a recipe may hold any characters: its checkpoints are the run's own all the same, and can be resumed.
    @Test func recipesOfCheckpointsHoldAnyText() async throws {
        let options = [
            "trainer.maxSteps=3", "trainer.saveSteps=1", "trainer.saveTotalLimit=1", "data.sampleTokens=1",
            #"data.samples=["x\u007fy"]"#, #"data.ignoredKeys=["k\u2028 z"]"#,
        ]
        #expect(try await trainer("run", options).run() == .finished)
        #expect(RunFolder(fixture.folder.path("run")).checkpointSteps() == [3])
        #expect(try await trainer("run", options, isResuming: true).run() == .finished)
    }

    /// A checkpoint with a user's notes in it, or that of another run, is not rotated away.
    @Test func othersCheckpointsAreNotRemoved() async throws {
        let options = ["trainer.maxSteps=5", "trainer.saveSteps=1", "trainer.saveTotalLimit=0"]
        #expect(try await trainer("run", options).run() == .finished)
        #expect(try await trainer("other", options + ["trainer.seed=3"]).run() == .finished)
        for step in [4, 5] { try FileManager.default.removeItem(atPath: fixture.folder.path("run/checkpoint-\(step)")) }
        try put([1], "run/checkpoint-1/notes.txt")
        try FileManager.default.removeItem(atPath: fixture.folder.path("run/checkpoint-2"))
        try FileManager.default.moveItem(
            atPath: fixture.folder.path("other/checkpoint-2"),
            toPath: fixture.folder.path("run/checkpoint-2")
        )
        let limited = options + ["trainer.saveTotalLimit=1"]
        #expect(try await trainer("run", limited, isResuming: true).run() == .finished)
        #expect(RunFolder(fixture.folder.path("run")).checkpointSteps() == [1, 2, 5])
    }
}
