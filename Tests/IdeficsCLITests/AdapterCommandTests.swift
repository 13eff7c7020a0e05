// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// From a fine-tuned adapter to a merged model, as a user goes.
@Suite struct AdapterCommandTests {
    let folder: TemporaryFolder
    let adapter: String

    /// Six steps on one picture; the learning rate is high enough for the answers to change.
    init() throws {
        folder = try TemporaryFolder()
        adapter = folder.path("run/adapter")
        try FileManager.default.copyItem(atPath: picture("rgb.png"), toPath: folder.path("a.png"))
        try folder.write(
            Array(#"{"image": "a.png", "text": "Two kittens in grass."}"#.utf8),
            "train.jsonl"
        )
        let run = try idefics([
            "finetune", "--model", tinyModel, "--data", folder.path("train.jsonl"), "--output", folder.path("run"),
            "--lora-r", "4", "--lora-target-modules", "q_proj,v_proj,down_proj", "--lora-alpha", "8", "--use-rslora",
            "--lora-modules-to-save", "perceiver_resampler", "--learning-rate", "3e-2", "--max-steps", "6",
            "--set", "trainer.peakFlops=1e9",
        ])
        try #require(run.status == 0, "\(run.errors)")
    }

    private func score(_ arguments: [String]) throws -> Double {
        let run = try idefics(
            ["score"] + arguments + [
                "--image", folder.path("a.png"), "--continuation", "Two kittens", "--exact", "--json",
            ],
            environment: ["IDEFICS_CACHE": folder.path("cache")]
        )
        #expect(run.status == 0, "\(run.errors)")
        let report = try #require(run.json() as? [String: Any])
        let scores = try #require(report["scores"] as? [[String: Any]])
        return try #require(scores[0]["log_prob"] as? Double)
    }

    @Test func whatWasLearnedIsUsedAndMerged() throws {
        let plain = try score(["--model", tinyModel])
        let learned = try score(["--model", tinyModel, "--adapter", adapter])
        #expect(learned > plain + 0.1)
        let merged = folder.path("merged")
        let run = try idefics([
            "merge", "--model", tinyModel, "--adapter", adapter, "--output", merged, "--dtype", "float32",
        ])
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.contains("matrices changed"))
        #expect(try abs(score(["--model", merged]) - learned) < 1e-4)
        // The adapter was made on bf16; on four bits it still helps.
        let four = try score(["--model", tinyModel, "--format", "nf4"])
        #expect(try score(["--model", tinyModel, "--format", "nf4", "--adapter", adapter]) > four + 0.1)
        let again = try idefics([
            "merge", "--model", tinyModel, "--adapter", adapter, "--output", merged,
        ])
        #expect(again.status != 0 && again.errors.contains("not empty"))
    }

    @Test func theOtherCommandsTakeIt() throws {
        let generated = try idefics([
            "generate", "--model", tinyModel, "--adapter", adapter, "Hello", "--max-new-tokens", "3",
        ])
        #expect(generated.status == 0, "\(generated.errors)")
        let chat = try idefics(
            ["chat", "--model", tinyModel, "--adapter", adapter, "--max-new-tokens", "3"],
            input: "Hello\n"
        )
        #expect(chat.status == 0, "\(chat.errors)")
        func perplexity(_ arguments: [String]) throws -> String {
            let run = try idefics(
                ["perplexity", "--model", tinyModel, "--text", "-"] + arguments,
                input: "Two kittens in grass."
            )
            #expect(run.status == 0, "\(run.errors)")
            return run.output.split(separator: "\n").first.map(String.init) ?? ""
        }
        #expect(try perplexity([]) != perplexity(["--adapter", adapter]))
        for wrong in [folder.path("nothing"), folder.path("run")] {
            let run = try idefics(["generate", "--model", tinyModel, "--adapter", wrong, "Hello"])
            #expect(run.status != 0 && run.errors.contains("Error:"))
        }
    }

    @Test func adaptersAreTrainedFurther() throws {
        let run = try idefics([
            "finetune", "--model", tinyModel, "--data", folder.path("train.jsonl"), "--output", folder.path("more"),
            "--adapter", adapter, "--learning-rate", "1e-2", "--max-steps", "3", "--set", "trainer.peakFlops=1e9",
        ])
        #expect(run.status == 0, "\(run.errors)")
        let before = try score(["--model", tinyModel, "--adapter", adapter])
        #expect(try score(["--model", tinyModel, "--adapter", folder.path("more/adapter")]) > before)
    }
}
