// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// Runs of the command line that end badly.
@Suite(.serialized) struct KillTests {
    private let fixture: TrainingFixture

    init() throws {
        fixture = try TrainingFixture()
    }

    private func arguments(_ output: String, _ more: [String]) -> [String] {
        [
            "finetune", "--data", fixture.folder.path("train.jsonl"),
            "--output", fixture.folder.path(output), "--learning-rate", "1e-2", "--per-device-train-batch-size", "2",
            "--set", "trainer.peakFlops=1e9", "--threads", "1",
        ] + (more.contains("--model") ? [] : ["--model", TrainingFixture.model.path]) + more
    }

    private func start(_ output: String, _ more: [String]) throws -> Process {
        let process = Process()
        process.executableURL = ProductRun.url(of: "idefics")
        process.arguments = arguments(output, more)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// What is trained, and the file it ends in.
    enum Kind: CaseIterable {
        case model
        case adapter

        var result: String { self == .model ? "model/model.safetensors" : "adapter/adapter_model.safetensors" }
    }

    /// Killed again and again at moments that a seed chooses, and resumed: to the last byte the run that was not.
    ///
    /// Once with the model's own parameters, once with adapters and dropout, gated blocks in full and moments of 8 bits on
    /// a base in NF4 with scales quantised twice.
    @Test(arguments: Kind.allCases)
    func killedRunsEndAsOthersDo(kind: Kind) throws {
        var options = ["--max-steps", "40", "--save-steps", "3", "--gradient-accumulation-steps", "2"]
        if kind == .adapter {
            var formats = QuantizationOptions(.nf4)
            formats.usesDoubleQuant = true
            let base = fixture.folder.url.appending(path: "base")
            try ModelQuantization(directory: TrainingFixture.model, options: formats).write(to: base)
            options += [
                "--model", base.path, "--lora-r", "4", "--lora-dropout", "0.1", "--lora-modules-to-save",
                "gated_cross_attn_layers", "--lora-modules-to-save", "lm_head.additional_fc", "--optim", "adamw_8bit",
                "--set", "trainer.dropout=0.1",
            ]
        }
        let start = ContinuousClock.now
        let whole = try ProductRun("idefics", arguments("whole", options))
        // Moments are shares of what a whole run takes here, or a fast machine would be done before the first.
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        #expect(whole.status == 0, "\(whole.errors)")
        var random = SeededGenerator(seed: 20_261_125)
        var kills = 0
        var atCheckpoints: Set<Int> = []
        for attempt in 0..<100 {
            let process = try self.start("killed", options + ["--resume"])
            // The last attempts have all the time they need, so that the test ends on any machine.
            let limit = attempt < 12 ? seconds * Double.random(in: 0.05...0.4, using: &random) : 600
            let deadline = Date(timeIntervalSinceNow: limit)
            while process.isRunning, Date() < deadline { Thread.sleep(forTimeInterval: 0.002) }
            guard process.isRunning else {
                process.waitUntilExit()
                #expect(process.terminationReason == .exit && process.terminationStatus == 0)
                break
            }
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            kills += 1
            atCheckpoints.insert(RunFolder(fixture.folder.path("killed")).checkpointSteps().last ?? 0)
        }
        print("kill and resume, \(kind): \(kills) kills, at checkpoints \(atCheckpoints.sorted())")
        #expect(kills > 0)
        #expect(try fixture.lastCheckpoint("whole") == fixture.lastCheckpoint("killed"))
        let results = try ["whole", "killed"].map {
            try Data(contentsOf: fixture.folder.url.appending(path: "\($0)/\(kind.result)"))
        }
        #expect(results[0] == results[1])
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.folder.path("killed"))
        #expect(!names.contains { $0.hasSuffix(".tmp") || $0.hasSuffix(".old") })
        let lines = try MetricsFile(folder: fixture.folder.url.appending(path: "killed"), step: 40).lines
        #expect(lines.map(\.step) == Array(1...40))
    }

    @Test func terminationSavesAndIsNoFailure() throws {
        let options = ["--max-steps", "100000", "--save-steps", "0"]
        let process = try start("run", options)
        let metrics = fixture.folder.url.appending(path: "run/metrics.jsonl")
        while process.isRunning, (try? Data(contentsOf: metrics).isEmpty) ?? true {
            Thread.sleep(forTimeInterval: 0.01)
        }
        #expect(process.isRunning)
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 0)
        #expect(try fixture.lastCheckpoint("run").count == 4)
        #expect(RunFolder(fixture.folder.path("run")).checkpointSteps().last ?? 0 > 0)
    }

    /// No file may grow beyond some blocks: checkpoints cannot be written, and the last good one stays as it was.
    @Test func failedWritesHurtNoCheckpoint() throws {
        let options = ["--max-steps", "12", "--save-steps", "4", "--save-total-limit", "0"]
        let good = try ProductRun("idefics", arguments("run", options))
        #expect(good.status == 0, "\(good.errors)")
        let run = RunFolder(fixture.folder.path("run"))
        // As if the run had been killed behind step 4: the next checkpoint is still to be written.
        for step in [8, 12] { try FileManager.default.removeItem(at: run.checkpoint(step)) }
        try FileManager.default.removeItem(at: run.url.appending(path: "model"))
        let before = try fixture.lastCheckpoint("run")
        let limited = try ProductRun(
            executable: URL(filePath: "/bin/sh"),
            ["-c", "ulimit -f 8; exec \"$0\" \"$@\"", ProductRun.url(of: "idefics").path]
                + arguments("run", options + ["--resume"])
        )
        #expect(limited.status != 0 && !limited.isSignalled, "\(limited.errors)")
        // On the way it is told and the run goes on; at the end it is a failure.
        #expect(limited.errors.contains("step 8: no checkpoint"), "\(limited.errors)")
        #expect(limited.errors.contains("cannot write"), "\(limited.errors)")
        #expect(run.checkpointSteps() == [4])
        #expect(try fixture.lastCheckpoint("run") == before)
        let resumed = try ProductRun("idefics", arguments("run", options + ["--resume"]))
        #expect(resumed.status == 0, "\(resumed.errors)")
        #expect(run.checkpointSteps() == [4, 8, 12])
    }

    @Test func recipesRunAndWrongOnesAreRefused() throws {
        let yaml = """
            model: \(TrainingFixture.model.path)
            output: \(fixture.folder.path("run"))
            data: {train: \(fixture.folder.path("train.jsonl"))}
            trainer: {maxSteps: 3, learningRate: 1e-3, peakFlops: 1e9}
            """
        try fixture.write([yaml], to: "recipe.yaml")
        let recipe = fixture.folder.path("recipe.yaml")
        let wrong = try ProductRun("idefics", ["train", recipe, "--set", "trainer.maxStep=2"])
        #expect(wrong.status != 0 && wrong.errors.contains("trainer.maxStep: unknown key"), "\(wrong.errors)")
        let run = try ProductRun("idefics", ["train", recipe, "--set", "trainer.maxSteps=2"])
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.errors.contains("2/2") && run.output.hasSuffix("model\n"))
        #expect(RunFolder(fixture.folder.path("run")).checkpointSteps() == [2])
    }
}
