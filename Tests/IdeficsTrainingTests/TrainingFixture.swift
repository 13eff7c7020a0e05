// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTestSupport
import IdeficsTraining

/// A folder with a few examples, on the tiny model with a tokenizer.
struct TrainingFixture {
    static let model = Fixtures.url("f7-e2e")
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        for name in ["rgb.png", "photo_444.jpg", "rgba.png"] {
            try FileManager.default.copyItem(
                at: Fixtures.url("processor/images/\(name)"),
                to: folder.url.appending(path: name)
            )
        }
        try write(Self.lines, to: "train.jsonl")
    }

    static let lines = [
        #"{"messages":[{"role":"user","content":[{"type":"image","image":"rgb.png"},{"type":"text","text":"What?"}]},"#
            + #"{"role":"assistant","content":"Two kittens in grass."}]}"#,
        #"{"messages":[{"role":"user","content":[{"image":"photo_444.jpg"},{"text":"What is it?"}]},"#
            + #"{"role":"assistant","content":"A photo."},{"role":"user","content":"Sure?"},"#
            + #"{"role":"assistant","content":[{"type":"text","text":"Yes."}]}]}"#,
        #"{"document":[{"text":"A page with "},{"image":"rgba.png"},{"text":" a picture in it."}]}"#,
        #"{"image":"rgb.png","text":"A caption."}"#,
        #"["Some text", {"image":"rgba.png"}, "more text"]"#,
        #"{"text":"Only the text of a page, nothing else."}"#,
    ]

    func write(_ lines: [String], to name: String) throws {
        try folder.write(Array(lines.joined(separator: "\n").utf8), name)
    }

    /// A recipe of a few steps on the examples.
    func recipe(_ overrides: [String] = [], output: String = "run") throws -> TrainingRecipe {
        var recipe = TrainingRecipe()
        recipe.model = Self.model.path
        recipe.output = folder.path(output)
        recipe.data.train = folder.path("train.jsonl")
        recipe.trainer.maxSteps = 6
        recipe.trainer.learningRate = 1e-2
        recipe.trainer.perDeviceTrainBatchSize = 2
        recipe.trainer.peakFlops = 1e9
        return try TrainingRecipe(yaml: String(decoding: recipe.json, as: UTF8.self), overrides: overrides)
    }

    /// A trainer of the model's own parameters.
    func trainer(
        _ recipe: TrainingRecipe,
        isResuming: Bool = false,
        trainable: (any TrainableParameters)? = nil,
        report: @escaping @Sendable (TrainingEvent) -> Void = { _ in }
    ) throws -> Trainer {
        try Trainer(
            recipe: recipe,
            directory: Self.model,
            trainable: trainable ?? FullParameters(directory: Self.model, patterns: recipe.parameters),
            isResuming: isResuming,
            report: report
        )
    }

    /// Files of the last checkpoint in the run folder `name`, those that hold numbers of the run.
    func lastCheckpoint(_ name: String) throws -> [String: Data] {
        let run = RunFolder(folder.path(name))
        guard let step = run.checkpointSteps().last else { return [:] }
        let files = ["parameters.safetensors", "first_moments.safetensors", "second_moments.safetensors", "state.json"]
        return try Dictionary(
            uniqueKeysWithValues: files.map { ($0, try Data(contentsOf: run.checkpoint(step).appending(path: $0))) }
        )
    }
}
