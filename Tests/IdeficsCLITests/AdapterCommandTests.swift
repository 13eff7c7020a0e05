// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsHTTPTestSupport
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

    /// `--adapter ORG/NAME`: used and trained further, its files and no others asked for.
    @Test func adaptersComeFromTheHub() throws {
        let commit = "fedcba9876543210fedcba9876543210fedcba98"
        let place = URL(filePath: adapter)
        let names = try FileManager.default.contentsOfDirectory(atPath: adapter)
        #expect(names.sorted() == ["adapter_config.json", "adapter_model.safetensors"])
        let files = try Dictionary(
            uniqueKeysWithValues: names.map { ($0, Array(try Data(contentsOf: place.appending(path: $0)))) }
        )
        let hub = try TestServer { request in
            if request.path == "/api/models/org/kittens/revision/main" {
                let siblings = (names + ["optimizer.pt", "README.md"]).map { ["rfilename": $0] }
                let object: [String: Any] = ["id": "org/kittens", "sha": commit, "siblings": siblings]
                let json = (try? JSONSerialization.data(withJSONObject: object)) ?? Data()
                return Reply(headers: [("Content-Type", "application/json")], body: json)
            }
            let name = String(request.path.dropFirst("/org/kittens/resolve/\(commit)/".count))
            guard let bytes = files[name] else { return .text("no", status: 404) }
            var reply = Reply.file(bytes, for: request)
            reply.headers += [("X-Repo-Commit", commit), ("ETag", "\"\(name.filter { $0.isLetter })\"")]
            return reply
        }
        let environment = ["HF_ENDPOINT": hub.url().absoluteString, "HF_HUB_CACHE": folder.path("hub")]
        func generate(_ name: String) throws -> String {
            let run = try idefics(
                ["generate", "--model", tinyModel, "--adapter", name, "Hello", "--max-new-tokens", "5"],
                environment: environment
            )
            #expect(run.status == 0, "\(run.errors)")
            return run.output
        }
        #expect(try generate("org/kittens") == generate(adapter))
        #expect(!hub.log.contains { $0.contains("optimizer.pt") })
        let run = try idefics(
            [
                "finetune", "--model", tinyModel, "--data", folder.path("train.jsonl"), "--output", folder.path("more"),
                "--adapter", "org/kittens", "--max-steps", "1", "--set", "trainer.peakFlops=1e9",
            ],
            environment: environment
        )
        #expect(run.status == 0, "\(run.errors)")
        let missing = try idefics(
            ["generate", "--model", tinyModel, "--adapter", "org/none", "Hello"],
            environment: environment
        )
        #expect(missing.status != 0 && missing.errors.contains("org/none"))
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
