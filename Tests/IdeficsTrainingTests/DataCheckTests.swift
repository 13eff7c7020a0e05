// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTestSupport
import IdeficsTraining
import Testing

/// The look at a data set before a run.
@Suite struct DataCheckTests {
    private func check(_ recipe: TrainingRecipe, images: ImageCheck = .files) async throws -> CheckedData {
        try await CheckedData(recipe: recipe, directory: TrainingFixture.model, images: images)
    }

    @Test func goodDataIsCounted() async throws {
        let fixture = try TrainingFixture()
        let data = try await check(fixture.recipe(["data.eval=\(fixture.folder.path("train.jsonl"))"]))
        #expect(data.problem == nil && data.reports.count == 2 && data.reports[0] == data.reports[1])
        let report = data.reports[0]
        #expect(report.examples == 6 && report.images == 5 && report.cut == 0 && report.problems.isEmpty)
        // The same as what a run makes of them.
        let processor = try ModelFiles(directory: TrainingFixture.model).processor()
        let file = try ExampleFile(path: fixture.folder.path("train.jsonl"))
        let examples = try (0..<6).map {
            try EncodedExample(file.example($0), processor: processor, config: DataConfig())
        }
        let lengths = examples.map(\.tokenIds.count).sorted()
        #expect(report.tokens == lengths.reduce(0, +) && report.targets == examples.reduce(0) { $0 + $1.targetCount })
        #expect(report.medianLength == lengths[2] && report.length95 == lengths[5] && report.longest == lengths[5])
    }

    /// Every kind of problem, far apart, is found with its line, and a run does not begin.
    @Test func problemsAreFoundBeforeTheFirstStep() async throws {
        let fixture = try TrainingFixture()
        var lines = (0..<300).map { "{\"text\":\"line \($0)\"}" }
        let long = String(repeating: "word ", count: 400)
        lines[6] =
            #"{"messages":[{"role":"user","content":"\#(long)"},{"role":"assistant","content":"A cat."}]}"#
        lines[100] = #"{"messages":[{"role":"user","content":"What?"}]}"#
        lines[150] = #"{"image":"none.png","text":"x"}"#
        lines[151] = #"{"image":"train.jsonl","text":"x"}"#
        lines[200] = #"{"tezt":"x"}"#
        lines[250] = #"{"text":"\#(long)"}"#
        try fixture.write(lines, to: "train.jsonl")
        let data = try await check(fixture.recipe(["data.maxTokens=100"]))
        guard case .data(_, 7, let reason) = data.problem else {
            Issue.record("\(String(describing: data.problem))")
            return
        }
        #expect(reason.contains("data.maxTokens"))
        let report = data.reports[0]
        let found = Dictionary(uniqueKeysWithValues: report.problems.map { ($0.problem, $0.lines) })
        #expect(
            found == [.answerCutAway: [7], .nothingToLearn: [101], .image: [151, 152], .noExample: [201]]
        )
        #expect(report.examples == 295 && report.cut == 1 && report.longest > 400 && report.problemCount == 5)
        // What a file holds that data names is nobody's business.
        #expect(!"\(report.problems)".contains("7b 22"))
        #expect(throws: TrainingError.self) {
            try Trainer(
                recipe: fixture.recipe(["data.maxTokens=100"]),
                directory: TrainingFixture.model,
                trainable: FullParameters(directory: TrainingFixture.model, patterns: ParameterConfig()),
                data: data
            )
        }
        let skipping = try await check(fixture.recipe(["data.maxTokens=100", "data.badLines=skip"]))
        #expect(skipping.problem == nil && skipping.reports == data.reports)
    }

    @Test func picturesAreDecodedWhenAsked() async throws {
        let fixture = try TrainingFixture()
        try fixture.folder.write(
            Array(Fixtures.data("processor/images/rgb.png").prefix(100)),
            "cut.png"
        )
        try fixture.write([TrainingFixture.lines[3], #"{"image":"cut.png","text":"x"}"#], to: "train.jsonl")
        #expect(try await check(fixture.recipe()).imageProblem == nil)
        let decoded = try await check(fixture.recipe(), images: .decoded)
        #expect(decoded.reports[0].problems.map(\.lines) == [[2]])
        // It is told, and a run may begin all the same.
        #expect(decoded.problem == nil)
        guard case .data(_, 2, _) = decoded.imageProblem else {
            Issue.record("\(String(describing: decoded.imageProblem))")
            return
        }
    }

    @Test func samplesAreLookedAt() async throws {
        let fixture = try TrainingFixture()
        let samples = "data.samples=[{user: \"What?\", image: \(fixture.folder.path("none.png"))}]"
        let problem = try await check(fixture.recipe([samples, "trainer.evalSteps=2"])).problem
        #expect(problem?.description.contains("data.samples[0].image") == true, "\(String(describing: problem))")
        // They are continued at the end at least.
        #expect(try await check(fixture.recipe([samples])).problem != nil)
    }

    /// A run is the same whether its data was looked at or not, and is resumed either way.
    @Test func runsDoNotDependOnTheCheck() async throws {
        let fixture = try TrainingFixture()
        try fixture.write(
            TrainingFixture.lines + [#"{"tezt":"x"}"#, #"{"image":"none.png","text":"x"}"#],
            to: "train.jsonl"
        )
        let options = [
            "trainer.maxSteps=0", "trainer.maxBatchTokens=60", "data.badLines=skip", "trainer.numTrainEpochs=2",
        ]
        func trainer(
            _ output: String,
            isChecked: Bool,
            _ more: [String] = [],
            isResuming: Bool = false
        ) async throws -> Trainer {
            let recipe = try fixture.recipe(options + more, output: output)
            return try Trainer(
                recipe: recipe,
                directory: TrainingFixture.model,
                trainable: FullParameters(directory: TrainingFixture.model, patterns: recipe.parameters),
                data: isChecked ? try await check(recipe) : nil,
                isResuming: isResuming
            )
        }
        #expect(try await trainer("a", isChecked: false).run() == .finished)
        #expect(try await trainer("b", isChecked: true).run() == .finished)
        let expected = try fixture.lastCheckpoint("a")
        #expect(try fixture.lastCheckpoint("b") == expected)
        let stop = StopRequest()
        stop.stop()
        #expect(try await trainer("c", isChecked: true, ["trainer.saveSteps=1"]).run(stop: stop) == .stopped)
        #expect(try await trainer("c", isChecked: false, isResuming: true).run() == .finished)
        #expect(try fixture.lastCheckpoint("c") == expected)
    }

    @Test func aPictureOverTheLimitNamesItsKey() async throws {
        let fixture = try TrainingFixture()
        try fixture.write([TrainingFixture.lines[3]], to: "train.jsonl")
        let small = ["trainer.maxSteps=1", "data.maxImagePixels=100"]
        let error = await #expect(throws: TrainingError.self) { try await fixture.trainer(fixture.recipe(small)).run() }
        #expect(error?.description.contains("data.maxImagePixels") == true, "\(String(describing: error))")
        // The check knows it before the first step.
        let problem = try await check(fixture.recipe(small)).imageProblem
        #expect(problem?.description.contains("data.maxImagePixels") == true, "\(String(describing: problem))")
        let recipe = try fixture.recipe(["trainer.maxSteps=1"], output: "large")
        #expect(try await fixture.trainer(recipe).run() == .finished)
    }
}
