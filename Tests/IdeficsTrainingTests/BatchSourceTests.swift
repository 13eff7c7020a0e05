// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// Micro-batches of one row of numbers from two "shards", taken in turn; a position has a text, a list and numbers.
private struct ShardSource: BatchSource {
    struct Position: Codable {
        var turn = "even"
        var offsets = [0, 0]
        var waiting: [String: Int]?
    }

    let identity: SourceValue
    let start: SourceValue
    /// Micro-batches of both shards together.
    private let count = 5
    /// What cannot be had.
    private let broken: Int?

    init(name: String = "shards", broken: Int? = nil) throws {
        identity = try SourceValue(["name": name])
        start = try SourceValue(Position())
        self.broken = broken
    }

    func batches(
        from position: SourceValue,
        count: Int,
        skipped: (TrainingError) -> Void
    ) async throws -> BatchSlice {
        var position = try position.decoded(as: Position.self)
        var batches: [TrainingBatch] = []
        for _ in 0..<count {
            let shard = position.turn == "even" ? 0 : 1
            let offset = position.offsets[shard]
            position.offsets[shard] += 1
            position.turn = shard == 0 ? "odd" : "even"
            position.waiting = ["key \(offset)": offset]
            if offset == broken {
                throw TrainingError.example(place: "shard \(shard), key \(offset)", reason: "is torn")
            }
            if offset == 1 { skipped(.example(place: "shard \(shard), key x", reason: "is empty")) }
            let ids = (0..<6).map { 10 + shard * 20 + ($0 + offset) % 9 }
            batches.append(
                TrainingBatch(
                    inputs: IdeficsInputs(
                        inputIds: Tensor(ids, shape: [1, 6]),
                        attentionMask: nil,
                        imageAttentionMask: Tensor([Int](), shape: [1, 6, 0]),
                        images: .pixelValues(Tensor([Float](), shape: [1, 0, 3, 56, 56]))
                    ),
                    labels: Tensor(ids, shape: [1, 6]),
                    tokenCount: 6,
                    imageCount: 0,
                    targetCount: 5
                )
            )
        }
        return BatchSlice(batches, end: try SourceValue(position))
    }

    func progress(at position: SourceValue) -> Double {
        let offsets = (try? position.decoded(as: Position.self))?.offsets ?? []
        return Double(offsets.reduce(0, +)) / Double(count)
    }

    func check(_ position: SourceValue) throws {
        let position = try position.decoded(as: Position.self)
        guard ["even", "odd"].contains(position.turn) else {
            throw TrainingError.example(place: "turn", reason: "\(position.turn) is no shard")
        }
    }

    func batchCount(epochs: Double) throws -> Double { epochs * Double(count) }
}

@Suite struct BatchSourceTests {
    private let fixture: TrainingFixture

    init() throws { fixture = try TrainingFixture() }

    private func trainer(
        _ source: @autoclosure () throws -> ShardSource,
        _ options: [String] = [],
        output: String = "run",
        isResuming: Bool = false,
        report: @escaping @Sendable (TrainingEvent) -> Void = { _ in }
    ) throws -> Trainer {
        let recipe = try fixture.recipe(["trainer.maxSteps=6", "trainer.dropout=0.1"] + options, output: output)
        let trainable = try FullParameters(directory: TrainingFixture.model)
        return try Trainer(
            recipe: recipe,
            directory: TrainingFixture.model,
            trainable: trainable,
            parts: TrainingParts(
                source: try source(),
                store: { try ReplicatedParameters(trainable, config: recipe.trainer, checkpoint: $0) }
            ),
            isResuming: isResuming,
            report: report
        )
    }

    /// A source of another kind is trained on, stopped and resumed as a file is: nobody but the source knows what its
    /// positions are.
    @Test func anySourceIsResumed() async throws {
        let options = ["trainer.gradientAccumulationSteps=2"]
        #expect(try await trainer(ShardSource(), options).run() == .finished)
        let stop = StopRequest()
        let skipped = Locked<[TrainingError]>([])
        let stopped = try trainer(ShardSource(), options, output: "other") { event in
            if case .skippedExample(let error) = event { skipped.withLock { $0.append(error) } }
            if case .skippedStep(_, let reason) = event { Issue.record("\(reason)") }
            stop.stop()
        }
        #expect(try await stopped.run(stop: stop) == .stopped)
        let resumed = try trainer(ShardSource(), options, output: "other", isResuming: true) { event in
            if case .skippedExample(let error) = event { skipped.withLock { $0.append(error) } }
        }
        #expect(try await resumed.run() == .finished)
        #expect(try fixture.lastCheckpoint("run") == fixture.lastCheckpoint("other"))
        #expect(skipped.withLock { $0.map(\.description) } == ["shard 0, key x: is empty", "shard 1, key x: is empty"])
        let state = await resumed.state
        #expect(try state.progress.position.decoded(as: ShardSource.Position.self).offsets == [6, 6])
        #expect(state.progress.microBatches == 12 && state.progress.step == 6)
    }

    /// Epochs are counted by the source.
    @Test func stepsAreTheSources() async throws {
        let trainer = try trainer(ShardSource(), ["trainer.maxSteps=0", "trainer.numTrainEpochs=1.4"])
        #expect(try await trainer.run() == .finished)
        #expect(await trainer.state.progress.step == 7)
    }

    /// What goes wrong is said in the source's own terms, and the steps before it are saved.
    @Test func errorsAreTheSources() async throws {
        let failing = try trainer(ShardSource(broken: 1))
        let error = await #expect(throws: TrainingError.self) { try await failing.run() }
        #expect(error == .example(place: "shard 0, key 1", reason: "is torn"))
        #expect(RunFolder(fixture.folder.path("run")).checkpointSteps() == [2])
        let other = #expect(throws: TrainingError.self) { try trainer(ShardSource(name: "x"), isResuming: true) }
        #expect("\(String(describing: other))".contains("the training data is another"))
        let url = RunFolder(fixture.folder.path("run")).checkpoint(2).appending(path: "state.json")
        let text = try String(contentsOf: url, encoding: .utf8)
        for (wrong, words) in [("\"round\"", "turn: round is no shard"), ("7", "position.turn")] {
            try Data(text.replacing("\"even\"", with: wrong).utf8).write(to: url)
            let error = #expect(throws: TrainingError.self) { try trainer(ShardSource(), isResuming: true) }
            guard case .run(let path, let reason) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(path.hasSuffix("state.json") && reason.contains(words), "\(reason)")
        }
    }

    /// Positions of files are stored as they always were: old checkpoints are resumed.
    @Test func positionsOfFilesAreStoredAsBefore() async throws {
        let recipe = try fixture.recipe(["trainer.maxSteps=2", "data.shuffle=false"])
        _ = try await fixture.trainer(recipe).run()
        let url = RunFolder(recipe.output).checkpoint(2).appending(path: "state.json")
        let state = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        let progress = try #require(state["progress"] as? [String: Any])
        #expect(progress["position"] as? [String: Int] == ["epoch": 0, "index": 4])
        let data = try #require(state["data"] as? [String: Int])
        #expect(Set(data.keys) == ["byteCount", "examples", "crc32c"] && data["examples"] == 6)
    }

    /// Whatever a source keeps comes back as it was.
    @Test func valuesAreKeptExactly() throws {
        struct Value: Codable, Equatable {
            var none: Int?
            var yes = true
            var small = -3
            var large = UInt64.max
            var most = Int.max
            var share = 0.1
            var text = "a \" ü"
            var empty: [String] = []
            var nested = [["k": [1, 2]], [:]]
        }
        let value = try SourceValue(Value())
        #expect(try value.decoded(as: Value.self) == Value())
        let again = try JSONDecoder().decode(SourceValue.self, from: JSONEncoder().encode(value))
        #expect(again == value)
        #expect(try value != SourceValue(Value(small: -2)))
        #expect(throws: (any Error).self) { try value.decoded(as: [Int].self) }
    }
}
