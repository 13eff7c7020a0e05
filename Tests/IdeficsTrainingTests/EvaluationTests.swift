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

@Suite struct EvaluationTests {
    /// One question, three pictures, three answers.
    private static let answers = ["rgb.png": "A cat.", "photo_444.jpg": "Trees.", "rgba.png": "Letters."]

    private static func line(_ image: String, _ answer: String) -> String {
        #"{"messages":[{"role":"user","content":[{"image":"\#(image)"},{"text":"What?"}]},"#
            + #"{"role":"assistant","content":"\#(answer)"}]}"#
    }

    private static var lines: [String] {
        answers.sorted { $0.key < $1.key }.map { line($0.key, $0.value) }
    }

    /// Evaluations of a run, by step.
    private func evaluations(_ fixture: TrainingFixture, _ options: [String]) async throws -> [Int: EvaluationMetrics] {
        let found = Locked<[Int: EvaluationMetrics]>([:])
        _ = try await fixture.trainer(fixture.recipe(options)) { event in
            if case .evaluated(let step, let metrics) = event { found.withLock { $0[step] = metrics } }
        }.run()
        return found.withLock(\.self)
    }

    /// The only thing that tells the answers apart is the picture: a model that does not see it gives the same answer three
    /// times, so at most one is right.
    @Test func answersThatThePictureDecidesAreLearned() async throws {
        let fixture = try TrainingFixture()
        try fixture.write(Self.lines, to: "train.jsonl")
        let found = try await evaluations(
            fixture,
            [
                "data.eval=\(fixture.folder.path("train.jsonl"))", "trainer.maxSteps=100", "trainer.evalSteps=100",
                "trainer.evalOnStart=true", "trainer.perDeviceTrainBatchSize=3", "trainer.weightDecay=0",
            ]
        )
        #expect(found.keys.sorted() == [0, 100])
        let (before, after) = (try #require(found[0]), try #require(found[100]))
        #expect(before.accuracy == 0 && before.answers == 3 && before.majority == 1.0 / 3)
        #expect(after.accuracy == 1 && after.loss < before.loss / 4, "\(after)")
    }

    /// A row is right when every label is the token greedy search takes; one wrong label is enough for it not to be.
    @Test func rowsAreRightWhenGreedySearchWritesTheirLabels() throws {
        let folder = Fixtures.url("f1-resampler-qk")
        let trainable = try FullParameters(directory: folder)
        let values = try trainable.initialValues(seed: 0)
        let model = try trainable.model(
            Dictionary(uniqueKeysWithValues: zip(trainable.parameters.map(\.name), values)),
            pass: .inference
        )
        let file = try SafetensorsFile(folder.appending(path: "golden/train.safetensors"))
        let inputs = IdeficsInputs(
            inputIds: try file.tensor(named: "in.input_ids"),
            attentionMask: file.contains("in.attention_mask") ? try file.tensor(named: "in.attention_mask") : nil,
            imageAttentionMask: try file.tensor(named: "in.image_attention_mask"),
            images: .pixelValues(try file.tensor(named: "in.pixel_values"))
        )
        let logits = try model.forward(inputs).logits
        let (rows, columns, width) = (logits.shape[0], logits.shape[1], logits.shape[2])
        let scores = logits.floatArray()
        var labels = [Int](repeating: -100, count: rows * columns)
        for row in 0..<rows {
            // The last columns are real tokens, whichever side the padding is on.
            for column in columns - 4..<columns - 1 {
                let start = (row * columns + column) * width
                let best = try #require((0..<width).max { scores[start + $0] < scores[start + $1] })
                labels[row * columns + column + 1] = best
            }
        }
        func evaluate() throws -> (loss: TokenLoss, isRight: [Bool]) {
            try model.evaluationLoss(inputs, labels: Tensor(labels, shape: [rows, columns]))
        }
        let right = try evaluate()
        #expect(right.isRight == Array(repeating: true, count: rows))
        let loss = try model.trainingLoss(inputs, labels: Tensor(labels, shape: [rows, columns]))
        #expect(right.loss.crossEntropy == loss.crossEntropy && right.loss.count == loss.count)
        labels[columns - 2] = (labels[columns - 2] + 1) % width
        #expect(try evaluate().isRight == [false] + Array(repeating: true, count: rows - 1))
    }

    /// What is given to be evaluated is evaluated at the end, whether or not it is on the way.
    @Test(arguments: [0, 2])
    func whatIsGivenIsEvaluated(evalSteps: Int) async throws {
        let fixture = try TrainingFixture()
        let found = Locked<[String]>([])
        let recipe = try fixture.recipe([
            "data.eval=\(fixture.folder.path("train.jsonl"))", "data.samples=[hi]", "data.sampleTokens=1",
            "trainer.maxSteps=3", "trainer.evalSteps=\(evalSteps)",
        ])
        _ = try await fixture.trainer(recipe) { event in
            switch event {
            case .evaluated(let step, _): found.withLock { $0.append("evaluation \(step)") }
            case .sample(let step, _, _): found.withLock { $0.append("sample \(step)") }
            default: break
            }
        }.run()
        let steps = evalSteps == 0 ? [3] : [2, 3]
        #expect(found.withLock { $0 } == steps.flatMap { ["evaluation \($0)", "sample \($0)"] })
        let lines = try MetricsFile(folder: RunFolder(recipe.output).url, step: 3).lines
        #expect(lines.filter { $0.evalLoss != nil }.map(\.step) == steps)
    }

    /// Documents are no answers: their loss is told, and nothing is said of right and wrong.
    @Test func documentsAreNotJudged() async throws {
        let fixture = try TrainingFixture()
        try fixture.write(Array(TrainingFixture.lines[2...3]), to: "documents.jsonl")
        let found = try await evaluations(
            fixture,
            ["data.eval=\(fixture.folder.path("documents.jsonl"))", "trainer.maxSteps=1", "trainer.evalSteps=1"]
        )
        let metrics = try #require(found[1])
        #expect(metrics.loss > 0 && metrics.answers == 0 && metrics.accuracy == nil && metrics.majority == nil)
    }
}
