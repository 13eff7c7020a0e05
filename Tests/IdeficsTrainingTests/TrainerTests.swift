// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTraining
import Testing

@Suite struct TrainerTests {
    /// Events that a run told.
    private final class Events: Sendable {
        private let all = Locked<[TrainingEvent]>([])
        func add(_ event: TrainingEvent) { all.withLock { $0.append(event) } }
        var list: [TrainingEvent] { all.withLock { $0 } }
    }

    @Test func lossFallsAndTheFolderIsWhole() async throws {
        let fixture = try TrainingFixture()
        let recipe = try fixture.recipe([
            "trainer.maxSteps=20", "trainer.saveSteps=5", "trainer.evalSteps=10", "trainer.zLossWeight=0.001",
            "trainer.gradientCheckpointing=true", "data.eval=\(fixture.folder.path("train.jsonl"))",
            "data.samples=[A page, {user: What?, image: \(fixture.folder.path("rgb.png"))}]", "data.sampleTokens=3",
        ])
        let events = Events()
        #expect(try await fixture.trainer(recipe) { events.add($0) }.run() == .finished)
        let run = RunFolder(recipe.output)
        #expect(run.checkpointSteps() == [15, 20])
        let lines = try MetricsFile(folder: run.url, step: 20).lines
        #expect(lines.map(\.step) == Array(1...20))
        let (first, last) = (try #require(lines.first), try #require(lines.last))
        #expect(last.loss < first.loss - 1)
        #expect(first.learningRate == 1e-2 && last.learningRate < 1e-3)
        #expect(last.zLoss > 0 && last.gradNorm > 0 && last.tokens > 0 && last.images > 0 && last.paddingShare == 0)
        #expect(lines.filter { $0.evalLoss != nil }.map(\.step) == [10, 20])
        var samples = 0
        for case .sample(let step, _, let text) in events.list {
            samples += 1
            #expect([10, 20].contains(step) && !text.isEmpty)
        }
        #expect(samples == 4)
        let names = try FileManager.default.contentsOfDirectory(atPath: run.url.path)
        #expect(names.contains("loss.svg") && names.contains { $0.hasPrefix("events.out.tfevents.") })
        #expect(!names.contains { $0.hasSuffix(".tmp") || $0.hasSuffix(".old") })
        let model = try ModelContainer(directory: run.url.appending(path: "model"))
        #expect(model.unexpectedTensors.isEmpty)
    }

    /// Stopped behind some step and resumed: the numbers of a run that was not.
    @Test(arguments: [1, 4])
    func stoppedRunsGoOn(after: Int) async throws {
        let fixture = try TrainingFixture()
        let options = ["trainer.gradientAccumulationSteps=2", "trainer.spikeFactor=50", "trainer.dropout=0.1"]
        _ = try await fixture.trainer(fixture.recipe(options)).run()
        let stop = StopRequest()
        let stopped = try fixture.trainer(fixture.recipe(options, output: "other")) { event in
            if case .step(let metrics, _, _) = event, metrics.step == after { stop.stop() }
        }
        #expect(try await stopped.run(stop: stop) == .stopped)
        #expect(RunFolder(fixture.folder.path("other")).checkpointSteps() == [after])
        // A new run must not grow into an old one by mistake, nor go on with other numbers or data.
        #expect(throws: TrainingError.self) { try fixture.trainer(fixture.recipe(options, output: "other")) }
        #expect(throws: TrainingError.self) {
            try fixture.trainer(fixture.recipe(options + ["trainer.seed=1"], output: "other"), isResuming: true)
        }
        #expect(throws: TrainingError.self) {
            try fixture.trainer(fixture.recipe(options + ["model=other"], output: "other"), isResuming: true)
        }
        let resumed = try fixture.trainer(
            fixture.recipe(options + ["trainer.loggingSteps=2"], output: "other"),
            isResuming: true
        )
        #expect(try await resumed.run() == .finished)
        let (a, b) = (try fixture.lastCheckpoint("run"), try fixture.lastCheckpoint("other"))
        #expect(a.count == 4 && a == b)
        // Other data of the same size and number.
        try fixture.write(TrainingFixture.lines.map { $0.replacing("page", with: "pAge") }, to: "train.jsonl")
        #expect(throws: TrainingError.self) {
            try fixture.trainer(fixture.recipe(options, output: "other"), isResuming: true)
        }
    }

    /// Steps of epochs whose micro-batches are cut by tokens are counted beforehand: the run ends with its data.
    @Test(arguments: [1.0, 2.5])
    func epochsOfBatchesByTokensAreCounted(epochs: Double) async throws {
        let fixture = try TrainingFixture()
        // A line without an answer is left out when the file is opened, and is none of the epoch's examples.
        try fixture.write(
            TrainingFixture.lines + [#"{"messages":[{"role":"user","content":"Hm."}]}"#],
            to: "train.jsonl"
        )
        let recipe = try fixture.recipe([
            "trainer.maxSteps=0", "trainer.numTrainEpochs=\(epochs)", "trainer.perDeviceTrainBatchSize=4",
            "trainer.maxBatchTokens=60", "data.badLines=skip",
        ])
        let events = Events()
        let trainer = try fixture.trainer(recipe) { events.add($0) }
        #expect(try await trainer.run() == .finished)
        guard
            case .started(_, let total, _, _) = try #require(
                events.list.first(where: { event in
                    if case .started = event { true } else { false }
                })
            )
        else { return }
        let progress = await trainer.state.progress
        let position = try progress.position.decoded(as: ExamplePosition.self)
        let epoch = Double(position.epoch) + Double(position.index) / Double(TrainingFixture.lines.count)
        // At most the last micro-batch reaches beyond.
        #expect(epoch >= epochs && epoch < epochs + 4 / Double(TrainingFixture.lines.count))
        #expect(progress.step == total && total > Int(epochs * 2) && total < Int(epochs * 6) + 1)
    }

    /// A run goes on with the model it began with, wherever that lies, and with no other.
    @Test func otherModelsOfTheSameNameAreRefused() async throws {
        let fixture = try TrainingFixture()
        let model = fixture.folder.url.appending(path: "model")
        try FileManager.default.copyItem(at: TrainingFixture.model, to: model)
        let recipe = try fixture.recipe(["trainer.maxSteps=1"])
        func trainer() throws -> Trainer {
            try Trainer(
                recipe: recipe,
                directory: model,
                trainable: FullParameters(directory: model, patterns: recipe.parameters),
                isResuming: true
            )
        }
        #expect(try await trainer().run() == .finished)
        _ = try trainer()
        // One frozen weight, the last bytes of a file.
        let weights = model.appending(path: "model.safetensors")
        let original = try Data(contentsOf: weights)
        var changed = original
        changed[changed.count - 1] ^= 1
        try changed.write(to: weights)
        let error = #expect(throws: TrainingError.self) { try trainer() }
        #expect("\(String(describing: error))".contains("model.safetensors has other contents"))
        try original.write(to: weights)
        _ = try trainer()
        try FileManager.default.removeItem(at: model.appending(path: "preprocessor_config.json"))
        let missing = #expect(throws: TrainingError.self) { try trainer() }
        #expect("\(String(describing: missing))".contains("preprocessor_config.json is missing"))
    }

    /// Files larger than what is read of them.
    @Test func largeModelsAreSampled() throws {
        let folder = try TemporaryFolder()
        let count = 6 << 20
        let tensor = Tensor((0..<count / 4).map { Float($0 % 1000) }, shape: [count / 4])
        let url = folder.url.appending(path: "model.safetensors")
        try SafetensorsWriter.write(["x": tensor], to: url)
        let before = try ModelIdentity(directory: folder.url)
        #expect(before == (try ModelIdentity(directory: folder.url)))
        #expect(before.difference(from: before) == nil)
        // Other weights everywhere, as training gives them, are noticed; so is another length.
        var all = try Data(contentsOf: url)
        for index in stride(from: 1 << 20, to: all.count, by: 512) { all[index] ^= 1 }
        try all.write(to: url)
        #expect(try before.difference(from: ModelIdentity(directory: folder.url)) != nil)
        try SafetensorsWriter.write(["x": Tensor(tensor.floatArray() + [1], shape: [count / 4 + 1])], to: url)
        let longer = try before.difference(from: ModelIdentity(directory: folder.url))
        #expect(longer?.contains("bytes") == true, "\(longer ?? "")")
    }

    /// The first step of AdamW is as long as the learning rate, so lengths tell the factors.
    @Test func learningRatesAreMultiplied() async throws {
        let fixture = try TrainingFixture()
        let trainer = try fixture.trainer(
            fixture.recipe([
                "trainer.maxSteps=1", "trainer.weightDecay=0",
                #"trainer.learningRateMultipliers={"*.alpha_*": 10, "*perceiver_resampler*": 0}"#,
            ])
        )
        let before = await trainer.state.parameters.namedValues
        _ = try await trainer.run()
        let after = await trainer.state.parameters.namedValues
        func step(_ name: String) throws -> Float {
            let (old, new) = (try #require(before[name]), try #require(after[name]))
            return zip(old.floatArray(), new.floatArray()).map { abs($0 - $1) }.max() ?? 0
        }
        #expect(try abs(step("model.gated_cross_attn_layers.0.alpha_cross_attn") - 0.1) < 1e-3)
        #expect(try abs(step("model.gated_cross_attn_layers.0.cross_attn.o_proj.weight") - 0.01) < 1e-4)
        #expect(try step("model.perceiver_resampler.latents") == 0)
    }

    /// Moments in 8 bits: another run, as good, resumed to the bit, in a quarter of the memory where it counts.
    @Test func momentsOf8BitsAreStoredAndResumed() async throws {
        let fixture = try TrainingFixture()
        let options = ["trainer.optim=adamw_8bit", "trainer.maxSteps=12", "parameters.train=[\"*\"]"]
        let whole = try fixture.trainer(fixture.recipe(options))
        #expect(try await whole.run() == .finished)
        let stop = StopRequest()
        let stopped = try fixture.trainer(fixture.recipe(options, output: "other")) { event in
            if case .step(let metrics, _, _) = event, metrics.step == 5 { stop.stop() }
        }
        #expect(try await stopped.run(stop: stop) == .stopped)
        // Moments of another kind are another recipe.
        #expect(throws: TrainingError.self) {
            try fixture.trainer(fixture.recipe(Array(options.dropFirst()), output: "other"), isResuming: true)
        }
        #expect(
            try await fixture.trainer(fixture.recipe(options, output: "other"), isResuming: true).run() == .finished
        )
        #expect(try fixture.lastCheckpoint("run") == fixture.lastCheckpoint("other"))
        let full = try fixture.trainer(fixture.recipe(Array(options.dropFirst()), output: "f32"))
        #expect(try await full.run() == .finished)
        let store = try #require(await whole.state.parameters as? ReplicatedParameters)
        var dynamic = 0
        for (parameter, moments) in zip(whole.trainable.parameters, store.moments) {
            let isDynamic = ["lm_head.weight", "model.vision_model.embeddings.patch_embedding.weight"].contains(
                parameter.name
            )
            let blocks = (parameter.count + 255) / 256
            #expect(moments.byteCount == (isDynamic ? 2 * parameter.count + 8 * blocks : 8 * parameter.count))
            dynamic += isDynamic ? 1 : 0
        }
        #expect(dynamic == 2)
        let lines = ["run", "f32"].map {
            try? MetricsFile(folder: RunFolder(fixture.folder.path($0)).url, step: 12).lines
        }
        let losses = lines.map { ($0?.first?.loss ?? 0, $0?.last?.loss ?? 0) }
        print("8-bit moments: loss \(losses[0]), f32 \(losses[1])")
        #expect(losses[0].1 < losses[0].0 - 1)
        #expect(abs(losses[0].1 - losses[1].1) < 0.2 * losses[1].0)
    }

    @Test func threadsAndMicroBatchesChangeNothingButRounding() async throws {
        let fixture = try TrainingFixture()
        let threads = Engine.threadCount
        defer { Engine.threadCount = threads }
        _ = try await fixture.trainer(fixture.recipe()).run()
        Engine.threadCount = threads == 1 ? 2 : 1
        _ = try await fixture.trainer(fixture.recipe(output: "threads")).run()
        #expect(try fixture.lastCheckpoint("run") == fixture.lastCheckpoint("threads"))
        // Two micro-batches of one example are a step of a batch of two: the mean is over all targets.
        _ = try await fixture.trainer(
            fixture.recipe(
                ["trainer.perDeviceTrainBatchSize=1", "trainer.gradientAccumulationSteps=2"],
                output: "micro"
            )
        ).run()
        let (a, b) = (
            try MetricsFile(folder: fixture.folder.url.appending(path: "run"), step: 6).lines,
            try MetricsFile(folder: fixture.folder.url.appending(path: "micro"), step: 6).lines
        )
        for (one, two) in zip(a, b) {
            #expect(abs(one.loss - two.loss) < 1e-3 * one.loss && one.tokens == two.tokens)
        }
    }

    @Test func stepsWithoutNumbersAreLeftOutAndRolledBack() async throws {
        let fixture = try TrainingFixture()
        let base = try FullParameters(directory: TrainingFixture.model)
        let recipe = try fixture.recipe([
            "trainer.maxSteps=8", "trainer.saveSteps=2", "trainer.rollbackAfterSkips=2", "data.shuffle=false",
            "trainer.saveTotalLimit=0",
        ])
        let events = Events()
        // Micro-batches 3 and 4 are examples 0 to 3, which have pictures: without numbers in the resampler, none at all.
        let trainer = try fixture.trainer(recipe, trainable: FailingParameters(base: base, failing: [3, 4])) {
            events.add($0)
        }
        #expect(try await trainer.run() == .finished)
        var (skipped, rolledBack): ([Int], [Int]) = ([], [])
        for event in events.list {
            if case .skippedStep(let step, _) = event { skipped.append(step) }
            if case .rolledBack(_, let step) = event { rolledBack.append(step) }
        }
        #expect(skipped == [4, 5] && rolledBack == [4])
        let state = await trainer.state
        #expect(state.progress.updates == 6 && state.progress.step == 8)
        #expect(state.parameters.namedValues.values.allSatisfy { $0.floatArray().allSatisfy(\.isFinite) })
        let lines = try MetricsFile(folder: RunFolder(recipe.output).url, step: 8).lines
        #expect(lines.last?.skippedSteps == 2)
    }

    @Test func aFolderHasOneRunAtATime() async throws {
        let fixture = try TrainingFixture()
        let recipe = try fixture.recipe(["trainer.maxSteps=1"])
        let first = try fixture.trainer(recipe)
        // It is said before anything else.
        try fixture.folder.write([1], "run/metrics.jsonl")
        let error = #expect(throws: TrainingError.self) { try fixture.trainer(recipe) }
        #expect("\(String(describing: error))".contains("another run is writing there"))
        #expect(try await first.run() == .finished)
        // What a killed run was writing is taken away by the next one.
        let leftOver = ["loss.svg", "metrics.jsonl", "parameters.safetensors"].map {
            ".\($0).idefics-0a1b2c3d4e5f6g7h8i9j.tmp"
        }
        for name in leftOver { try fixture.folder.write([1], "run/\(name)") }
        _ = try fixture.trainer(recipe, isResuming: true)
        let names = try FileManager.default.contentsOfDirectory(atPath: recipe.output)
        #expect(Set(names).isDisjoint(with: leftOver) && names.contains("loss.svg"))
    }

    @Test func spikesAreLeftOut() {
        var spikes = SpikeGuard()
        for _ in 0..<30 { #expect(spikes.reason(loss: 1, norm: 2, factor: 5) == nil) }
        #expect(spikes.reason(loss: 1, norm: 11, factor: 5) != nil)
        #expect(spikes.reason(loss: 1, norm: 11, factor: 0) == nil)
        #expect(spikes.reason(loss: .nan, norm: 1, factor: 0) != nil)
        #expect(spikes.reason(loss: 1, norm: .infinity, factor: 0) != nil)
        #expect(spikes.skippedInARow == 2 && spikes.skipped == 3)
        #expect(spikes.reason(loss: 1, norm: 2, factor: 5) == nil && spikes.skippedInARow == 0)
    }

    @Test func badPicturesStopOrAreLeftOut() async throws {
        let fixture = try TrainingFixture()
        try fixture.write(TrainingFixture.lines + [#"{"image":"none.png","text":"x"}"#], to: "train.jsonl")
        let options = ["trainer.maxSteps=5", "data.shuffle=false"]
        let error = await #expect(throws: TrainingError.self) {
            try await fixture.trainer(fixture.recipe(options)).run()
        }
        guard case .data(_, 7, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        // It is made ready during step 3, and fails in step 4.
        let lines = try MetricsFile(folder: RunFolder(fixture.folder.path("run")).url, step: 3).lines
        #expect(lines.map(\.step) == [1, 2, 3])
        let events = Events()
        let recipe = try fixture.recipe(options + ["data.badLines=skip"], output: "skip")
        #expect(try await fixture.trainer(recipe) { events.add($0) }.run() == .finished)
        var skipped = 0
        for case .skippedExample(.data(_, 7, _)) in events.list { skipped += 1 }
        #expect(skipped == 1)
        // Nothing is left to train on.
        try fixture.write([#"{"image":"none.png","text":"x"}"#], to: "train.jsonl")
        await #expect(throws: TrainingError.self) {
            try await fixture.trainer(fixture.recipe(["data.badLines=skip"], output: "empty")).run()
        }
    }

    @Test(arguments: ["state.json", "parameters.safetensors", "second_moments.safetensors", "recipe.json"])
    func damagedCheckpointsAreNamed(file: String) async throws {
        let fixture = try TrainingFixture()
        let recipe = try fixture.recipe(["trainer.maxSteps=1"])
        _ = try await fixture.trainer(recipe).run()
        let url = RunFolder(recipe.output).checkpoint(1).appending(path: file)
        try Data(contentsOf: url).dropLast(9).write(to: url)
        let error = #expect(throws: TrainingError.self) { try fixture.trainer(recipe, isResuming: true) }
        #expect("\(String(describing: error))".contains("checkpoint-1") || file == "recipe.json")
    }
}
