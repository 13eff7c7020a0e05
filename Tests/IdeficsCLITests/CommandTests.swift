// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsTensor
import IdeficsTestSupport
import Testing

/// The commands as a user runs them.
@Suite struct CommandTests {
    func golden(_ path: String) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Fixtures.data(path)) as? [String: Any])
    }

    @Test(arguments: [
        "generate", "chat", "score", "perplexity", "forward", "process", "tokenize", "download", "init", "quantize",
        "merge", "finetune", "train", "inspect", "bench",
    ])
    func everyCommandHasHelp(command: String) throws {
        let run = try idefics([command, "--help"])
        #expect(run.status == 0)
        #expect(run.output.contains("USAGE: idefics \(command)"))
        #expect(run.output.contains("OVERVIEW:"))
    }

    /// Pictures and texts in the order given: the reference's documentation example, token for token.
    @Test func generateKeepsTheOrderOfItsArguments() throws {
        let run = try idefics([
            "generate", "--model", tinyModel, "User:", "--image", picture("rgb.png"),
            "Describe this image.\nAssistant: An image of two kittens in grass.\n", "User:",
            "--image=\(picture("photo_420.jpg"))", "Describe this image.\nAssistant:", "--max-new-tokens", "16",
            "--bad-words-ids", "[[501],[500]]", "--eos-token-id", "502,2", "--json",
        ])
        #expect(run.status == 0, "\(run.errors)")
        let report = try #require(run.json() as? [String: Any])
        let results = try #require(report["results"] as? [[String: Any]])
        let expected = try #require(golden("f7-e2e/golden/golden.json")["docs_example"] as? [String: Any])
        #expect(results[0]["text"] as? String == (expected["greedy_new_text"] as? [String])?[0])
        let row = try #require((expected["greedy"] as? [[Int]])?[0])
        #expect(results[0]["token_ids"] as? [Int] == Array(row.suffix(16)))
        #expect(results[0]["prompt_token_count"] as? Int == row.count - 16)
    }

    @Test func generateStreamsTextAndSummarizesOnStandardError() throws {
        let run = try idefics(["generate", "--model", tinyModel, "Hello", "--max-new-tokens", "4"])
        #expect(run.status == 0)
        #expect(!run.output.isEmpty && run.output.hasSuffix("\n"))
        #expect(run.errors.contains("tokens/s"))
    }

    @Test func generateTakesAFileOfPrompts() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: picture("rgb.png"), toPath: folder.path("a.png"))
        let lines = """
            ["User:", {"image": "a.png"}, "What is it?"]

            [{"text": "Just text."}]
            """
        try Data(lines.utf8).write(to: folder.url.appending(path: "p.jsonl"))
        let arguments = ["--model", tinyModel, "--max-new-tokens", "5", "--json", "--seed", "3"]
        let run = try idefics(["generate", "--prompts", folder.path("p.jsonl")] + arguments)
        #expect(run.status == 0, "\(run.errors)")
        let results = try #require((run.json() as? [String: Any])?["results"] as? [[String: Any]])
        #expect(results.map { $0["prompt_index"] as? Int } == [0, 1])
        let single = try idefics(["generate", "Just text."] + arguments)
        let alone = try #require((single.json() as? [String: Any])?["results"] as? [[String: Any]])
        #expect(alone[0]["token_ids"] as? [Int] == results[1]["token_ids"] as? [Int])
    }

    /// process → forward and generate --inputs: the tensors of the reference, then its logits and sequences.
    @Test func tensorsThroughFiles() throws {
        let folder = try TemporaryFolder()
        let items: [Any] = ["User:", ["image": picture("rgb.png")], "Hi"]
        try JSONSerialization.data(withJSONObject: items).write(to: folder.url.appending(path: "p.jsonl"))
        let processed = try idefics([
            "process", "--model", tinyModel, "--prompts", folder.path("p.jsonl"), "--output",
            folder.path("in.safetensors"),
            "--image-size", "56",
        ])
        #expect(processed.status == 0, "\(processed.errors)")
        let inputs = try SafetensorsFile(folder.url.appending(path: "in.safetensors"))
        #expect(inputs.tensorNames == ["attention_mask", "image_attention_mask", "input_ids", "pixel_values"])
        #expect(try inputs.tensor(named: "input_ids").intArray() == [1, 325, 469, 500, 501, 500, 456, 75, 460])
        #expect(try inputs.tensor(named: "pixel_values").shape == [1, 1, 3, 56, 56])
        let forward = try idefics([
            "forward", "--model", tinyModel, "--inputs", folder.path("in.safetensors"), "--output",
            folder.path("out.safetensors"),
        ])
        #expect(forward.status == 0, "\(forward.errors)")
        let outputs = try SafetensorsFile(folder.url.appending(path: "out.safetensors"))
        #expect(try outputs.tensor(named: "logits").shape == [1, 9, 503])
        #expect(try outputs.tensor(named: "image_hidden_states").shape == [1, 1, 5, 24])
        let generated = try idefics([
            "generate", "--model", tinyModel, "--inputs", folder.path("in.safetensors"), "--json", "--num-beams", "3",
            "--num-return-sequences", "2", "--max-new-tokens", "6",
        ])
        let report = try #require(generated.json() as? [String: Any])
        let sequences = try #require(report["sequences"] as? [[Int]])
        #expect(sequences.count == 2)
        #expect(sequences[0].prefix(9) == [1, 325, 469, 500, 501, 500, 456, 75, 460])
    }

    /// Tensors are mapped, which pipes cannot be: they are copied first, and named as they were given.
    @Test func tensorsComeOutOfPipes() throws {
        let folder = try TemporaryFolder()
        let golden = try SafetensorsFile(Fixtures.url("f1-resampler-qk/golden/pad3.safetensors"))
        let names = ["input_ids", "attention_mask", "image_attention_mask", "pixel_values"]
        try SafetensorsWriter.write(
            Dictionary(uniqueKeysWithValues: names.map { ($0, try golden.tensor(named: "in.\($0)")) }),
            to: folder.url.appending(path: "in.st")
        )
        func forward(_ script: String, to output: String) throws -> ProductRun {
            try ProductRun(
                "idefics",
                shell: "run() { $program forward --model \"$model\" --inputs \"$1\" --output \(output); }; model=$1; "
                    + script,
                [Fixtures.url("f1-resampler-qk").path],
                workingDirectory: folder.url
            )
        }
        let whole = try forward("run in.st", to: "whole.st")
        #expect(whole.status == 0, "\(whole.errors)")
        let expected = try Data(contentsOf: folder.url.appending(path: "whole.st"))
        for (index, script) in ["cat in.st | run /dev/stdin", "run - < in.st", "run <(cat in.st)"].enumerated() {
            let found = try forward(script, to: "\(index).st")
            #expect(found.status == 0, "\(script): \(found.errors)")
            #expect(try Data(contentsOf: folder.url.appending(path: "\(index).st")) == expected)
        }
        let cut = try forward("head -c 100 in.st | run /dev/stdin", to: "cut.st")
        #expect(cut.status == 1 && cut.errors.contains("/dev/stdin is damaged"), "\(cut.errors)")
    }

    /// Logits as the reference's, and the same bytes whatever the number of threads.
    @Test func forwardGivesTheReferencesLogits() throws {
        let folder = try TemporaryFolder()
        let golden = try SafetensorsFile(Fixtures.url("f1-resampler-qk/golden/pad3.safetensors"))
        let names = ["input_ids", "attention_mask", "image_attention_mask", "pixel_values"]
        try SafetensorsWriter.write(
            Dictionary(uniqueKeysWithValues: names.map { ($0, try golden.tensor(named: "in.\($0)")) }),
            to: folder.url.appending(path: "in.safetensors")
        )
        var outputs: [Data] = []
        for threads in 1...3 {
            let run = try idefics([
                "forward", "--model", Fixtures.url("f1-resampler-qk").path, "--inputs", folder.path("in.safetensors"),
                "--output", folder.path("out.safetensors"), "--threads", "\(threads)",
            ])
            #expect(run.status == 0, "\(run.errors)")
            outputs.append(try Data(contentsOf: folder.url.appending(path: "out.safetensors")))
        }
        #expect(outputs[0] == outputs[1] && outputs[0] == outputs[2])
        let found = try SafetensorsFile(folder.url.appending(path: "out.safetensors")).tensor(named: "logits")
            .floatArray()
        let expected = try golden.tensor(named: "logits").floatArray()
        let mask = try #require(golden.tensor(named: "in.attention_mask").intArray())
        let width = expected.count / mask.count
        for row in mask.indices where mask[row] != 0 {
            for column in 0..<width {
                #expect(abs(found[row * width + column] - expected[row * width + column]) <= 1e-4)
            }
        }
    }

    /// Products large enough for every kernel and for several tasks.
    @Test func threadsDoNotChangeABitOfLargeProducts() throws {
        let (folder, results) = (try TemporaryFolder(), try TemporaryFolder())
        var config = try golden("f1-resampler-qk/config.json")
        config["hidden_size"] = 256
        config["num_attention_heads"] = 8
        config["intermediate_size"] = 1500
        config["vocab_size"] = 4000
        try JSONSerialization.data(withJSONObject: config).write(to: folder.url.appending(path: "config.json"))
        try RandomCheckpoint.write(config: folder.url.appending(path: "config.json"), seed: 5)
        let tokens = 200
        try SafetensorsWriter.write(
            [
                "input_ids": Tensor((0..<tokens).map { $0 * 37 % 4000 }, shape: [1, tokens]),
                "image_attention_mask": Tensor(Array(repeating: 1, count: tokens), shape: [1, tokens, 1]),
                "pixel_values": Tensor((0..<3 * 42 * 42).map { Float($0 % 11) / 5 - 1 }, shape: [1, 1, 3, 42, 42]),
            ],
            to: folder.url.appending(path: "in.safetensors")
        )
        var outputs: [Data] = []
        for threads in [1, 2, 3, 7] {
            let run = try idefics([
                "forward", "--model", folder.url.path, "--inputs", folder.path("in.safetensors"), "--output",
                results.path("out.safetensors"), "--threads", "\(threads)",
            ])
            #expect(run.status == 0, "\(run.errors)")
            outputs.append(try Data(contentsOf: results.url.appending(path: "out.safetensors")))
        }
        #expect(Set(outputs).count == 1)
        let logits = try SafetensorsFile(results.url.appending(path: "out.safetensors")).tensor(named: "logits")
        #expect(logits.floatArray().allSatisfy { $0.isFinite && $0 != 0 })
    }

    @Test func tokenizeBothWays() throws {
        let texts = ["User:", "Hello world", ""]
        let encoded = try idefics(["tokenize", "--model", tinyModel], input: texts.joined(separator: "\n") + "\n")
        #expect(encoded.status == 0)
        let lines = encoded.output.split(separator: "\n", omittingEmptySubsequences: true)
        #expect(lines[0] == "[325,469]")
        #expect(lines[1] == "[456,75,457,470,278,343,462,349]")
        #expect(lines[2] == "[]")
        let decoded = try idefics(["tokenize", "--model", tinyModel, "--decode"], input: encoded.output)
        #expect(decoded.output == "\"User:\"\n\"Hello world\"\n\"\"\n")
    }

    @Test func scoreRanksContinuations() throws {
        let run = try idefics([
            "score", "--model", tinyModel, "--image", picture("rgb.png"), "Is it?", "--continuation", " yes",
            "--continuation", " no", "--json",
        ])
        #expect(run.status == 0, "\(run.errors)")
        let scores = try #require((run.json() as? [String: Any])?["scores"] as? [[String: Any]])
        #expect(scores.map { $0["continuation"] as? String } == [" yes", " no"])
        for score in scores {
            let tokens = try #require(score["token_log_probs"] as? [Double])
            let sum = try #require(score["log_prob"] as? Double)
            #expect(abs(tokens.reduce(0, +) - sum) < 1e-4)
            #expect(tokens.allSatisfy { $0 < 0 })
        }
    }

    @Test func perplexityOfAText() throws {
        let folder = try TemporaryFolder()
        try folder.write(Array("Hello world, what is this? Hello.".utf8), "text.txt")
        let arguments = ["perplexity", "--model", tinyModel, "--context", "8", "--stride", "3", "--text"]
        let run = try idefics(arguments + [folder.path("text.txt"), "--json", "--per-token"])
        #expect(run.status == 0, "\(run.errors)")
        let report = try #require(run.json() as? [String: Any])
        let scores = try #require(report["negative_log_likelihoods"] as? [Any])
        let values = scores.compactMap { $0 as? Double }
        #expect(scores.count == report["tokens"] as? Int && scores[0] is NSNull)
        #expect(values.count == report["scored_tokens"] as? Int && values.count == scores.count - 1)
        let mean = values.reduce(0, +) / Double(values.count)
        #expect(abs(mean - (report["mean_negative_log_likelihood"] as? Double ?? 0)) < 1e-9)
        #expect(abs(exp(mean) / (report["perplexity"] as? Double ?? 0) - 1) < 1e-9)
        let table = try idefics(
            arguments + ["-"],
            input: "Hello world, what is this? Hello."
        )
        #expect(table.output.contains("perplexity") && table.output.contains("\(values.count) of them scored"))
        let rounded = try idefics(arguments + [folder.path("text.txt"), "--json", "--cache-type", "int8"])
        let other = try #require((rounded.json() as? [String: Any])?["mean_negative_log_likelihood"] as? Double)
        #expect(other != mean && abs(other - mean) < 0.01)

        let compared = try idefics(arguments + [folder.path("text.txt"), "--reference", tinyModel, "--json"])
        let reference = try #require((compared.json() as? [String: Any])?["reference"] as? [String: Any])
        #expect(reference["perplexity"] as? Double == report["perplexity"] as? Double)
        #expect(reference["mean_divergence"] as? Double == 0 && reference["top_agreement"] as? Double == 1)
    }

    @Test func chatAnswersEachLine() throws {
        let input =
            "What is this?\n/image \(picture("photo_420.jpg"))\nAnd this?\n/nonsense\n/reset\n/quit\nnever read\n"
        let run = try idefics(
            ["chat", "--model", tinyModel, "--image", picture("rgb.png"), "--max-new-tokens", "4", "--json"],
            input: input
        )
        #expect(run.status == 0)
        #expect(run.output.split(separator: "\n").count == 2)
        #expect(run.errors.contains("unknown command /nonsense"))
    }

    @Test func chatGoesOnAfterAPictureThatIsNotThere() throws {
        let run = try idefics(
            ["chat", "--model", tinyModel, "--max-new-tokens", "2", "--json"],
            input: "/image /nonexistent.png\nlook\n/reset\nhello\n"
        )
        #expect(run.status == 0)
        #expect(run.errors.contains("/nonexistent.png"))
        #expect(run.output.split(separator: "\n").count == 2)
    }

    @Test func inspectTellsWhatDoesNotFit() throws {
        let whole = try idefics(["inspect", "--model", tinyModel, "--json", "--tensors"])
        #expect(whole.status == 0)
        let report = try #require(whole.json() as? [String: Any])
        #expect(report["tensor_count"] as? Int == 128)
        #expect((report["tensors"] as? [Any])?.count == 128)
        let folder = try TemporaryFolder()
        var config = try golden("f1-resampler-qk/config.json")
        config["hidden_size"] = 40
        config["num_hidden_layers"] = 6
        try JSONSerialization.data(withJSONObject: config).write(to: folder.url.appending(path: "config.json"))
        try FileManager.default.copyItem(
            at: Fixtures.url("f1-resampler-qk/model.safetensors"),
            to: folder.url.appending(path: "model.safetensors")
        )
        let broken = try idefics(["inspect", "--model", folder.url.path])
        #expect(broken.status == 1)
        #expect(broken.output.contains("model.layers.5.self_attn.q_proj.weight"))
        #expect(broken.output.contains("model.norm.weight"))
    }

    @Test(arguments: [
        (["generate", "--model", "/nonexistent/model", "x"], "/nonexistent/model"),
        (["generate", "--model", "x"], "texts and images"),
        (["generate", "--model", tinyModel, "x", "--top-p", "2", "--do-sample"], "top_p"),
        (["generate", "--model", tinyModel, "x", "--bad-words-ids", "[1]"], "--bad-words-ids"),
        (["generate", "--model", tinyModel, "x", "--eos-token-id", "a"], "--eos-token-id"),
        (["generate", "--model", tinyModel, "x", "--threads", "0"], "--threads"),
        (["generate", "--model", tinyModel, "x", "--image", "http://127.0.0.1:9/a.png"], "127.0.0.1"),
        (["generate", "--model", tinyModel, "x", "--image", "/nonexistent.png"], "/nonexistent.png"),
        (["perplexity", "--model", tinyModel, "--text", "/nonexistent.txt"], "/nonexistent.txt"),
        (["perplexity", "--model", tinyModel, "--text", "/dev/null"], "text"),
        (["perplexity", "--model", tinyModel, "--text", picture("rgb.png")], "not UTF-8"),
        (["perplexity", "--model", tinyModel, "--text", "/etc"], "/etc"),
        (["perplexity", "--model", tinyModel, "--text", "x", "--stride", "2000"], "--stride"),
        (["perplexity", "--model", tinyModel, "--text", "x", "--cache-type", "int4"], "--cache-type"),
        (["process", "--model", tinyModel, "--prompts", "/nonexistent", "--output", "/tmp/x"], "/nonexistent"),
        (["bench", "--layers", "7"], "--layers 7"),
        (["bench", "--config", "llama-8b"], "llama-8b"),
        (["bench", "kernels", "--only", "nothing of the kind"], "nothing of the kind"),
        (["bench", "kernels", "--rounds", "0"], "--rounds 0"),
        (["bench", "startup", "--config", "idefics-80b", "--layers", "81"], "--layers 81"),
        (["forward", "--model", tinyModel, "--inputs", "/dev/null", "--output", "/tmp/x"], "/dev/null"),
    ])
    func mistakesAreToldInOneLine(arguments: [String], named: String) throws {
        let run = try idefics(arguments)
        #expect(run.status != 0)
        #expect(!run.isSignalled)
        #expect(run.errors.contains(named), "\(run.errors)")
        #expect(run.output.isEmpty)
    }

    @Test func benchMeasuresOneThing() throws {
        let run = try idefics([
            "bench", "kernels", "--only", "attention vision", "--rounds", "1", "--read-memory", "16", "--json",
        ])
        #expect(run.status == 0, "\(run.errors)")
        let report = try #require(run.json() as? [String: Any])
        let results = try #require(report["results"] as? [[String: Any]])
        #expect(results.count == 1)
        #expect((results[0]["share_of_limit"] as? Double ?? 0) > 0)
        #expect(report["decode"] == nil)
    }

    /// The words of the issue, without a subcommand; bytes of a token are those of the language model alone.
    @Test func benchMeasuresAModelOfRandomWeights() throws {
        let run = try idefics([
            "bench", "--config", "llama-7b", "--layers", "1", "--format", "int4", "--only", "decode after 128",
            "--rounds",
            "1", "--read-memory", "16", "--json",
        ])
        #expect(run.status == 0, "\(run.errors)")
        let report = try #require(run.json() as? [String: Any])
        let result = try #require((report["results"] as? [[String: Any]])?.first)
        #expect(result["name"] as? String == "decode after 128")
        #expect((result["tokens_per_second"] as? Double ?? 0) > 0)
        let bytes = try #require(result["rate"] as? Double) * #require(result["seconds"] as? Double)
        // A group of 64 takes 34 bytes in int4, 66 in int8; the gated block behind closed gates is not read.
        let layer = (4 * 4096 * 4096 + 3 * 4096 * 11_008) / 64 * 34
        let head = 32_000 * 4096 / 64 * 66
        #expect(abs(bytes / Double(layer + head) - 1) < 0.05)
        #expect((report["model"] as? [String: Any])?["config"] as? String == "llama-7b")
    }

    /// Gates of IDEFICS models of random weights are open: a token that sees an image reads both branches.
    @Test func benchRunsGatedBlocks() throws {
        let run = try idefics([
            "bench", "model", "--config", "idefics-9b", "--layers", "4", "--format", "int4", "--vision", "int4",
            "--only", "decode after 128", "--only", "decode after 128, 1 image", "--rounds", "1", "--read-memory", "16",
            "--json",
        ])
        #expect(run.status == 0, "\(run.errors)")
        let results = try #require((run.json() as? [String: Any])?["results"] as? [[String: Any]])
        try #require(results.count == 2)
        let bytes = results.map { ($0["rate"] as? Double ?? 0) * ($0["seconds"] as? Double ?? 0) }
        let network = 3 * 4096 * 11_008
        let text = (4 * (4 * 4096 * 4096 + network) + network) / 64 * 34 + 32_002 * 4096 / 64 * 66
        #expect(abs(bytes[0] / Double(text) - 1) < 0.05)
        // Projections of queries and outputs, and keys and values of 64 tokens.
        let seeing = 2 * 4096 * 4096 / 64 * 34 + 2 * 64 * 4096 * 4
        #expect(abs((bytes[1] - bytes[0]) / Double(seeing) - 1) < 0.02)
    }

    @Test func benchTimesStartingUp() throws {
        let run = try idefics(["bench", "startup", "--model", tinyModel, "--rounds", "1", "--json"])
        #expect(run.status == 0, "\(run.errors)")
        let report = try #require(run.json() as? [String: Any])
        let ready = try #require(report["ready"] as? Double)
        let first = try #require(report["first_token"] as? Double)
        #expect(0 < ready && ready < first)
        let failed = try idefics(["bench", "startup", "--model", "/nonexistent", "--rounds", "1"])
        #expect(failed.status != 0 && failed.errors.contains("/nonexistent"))
    }

    /// Random weights on disk are a checkpoint like any other.
    @Test func benchWritesACheckpointToStartWith() throws {
        let run = try idefics([
            "bench", "startup", "--config", "llama-7b", "--layers", "1", "--format", "int4", "--tokenizer",
            Fixtures.url("tokenizer-mistral").path, "--rounds", "1",
        ])
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.contains("first token, one image"))
    }

    @Test func benchDecodesWithACheckpoint() throws {
        let run = try idefics([
            "bench", "decode", "--model", tinyModel, "--rounds", "1", "--read-memory", "16", "--json",
        ])
        #expect(run.status == 0, "\(run.errors)")
        let report = try #require(run.json() as? [String: Any])
        #expect((report["results"] as? [Any])?.count == 1)
        let decode = try #require(report["decode"] as? [String: Any])
        #expect((decode["tokens_per_second"] as? Double ?? 0) > 0)
        #expect((decode["seconds_to_first_token_with_picture"] as? Double ?? 0) > 0)
        // f7 is bf16: 4 layers, one gated block's network, the head of 503 and a row of the embedding; norms are f32.
        let weights = 4 * (4 * 32 * 32 + 3 * 32 * 48) + 3 * 32 * 48 + 503 * 32 + 32
        let norms = 4 * 2 * 32 + 32 + 32
        #expect(decode["weight_bytes_per_token"] as? Int == 2 * weights + 4 * norms)
        // 128 to 159 tokens before: 144.5 keys and values of 32 in 4 layers on average.
        #expect(decode["cache_bytes_per_token"] as? Int == 289 * 4 * 32 * 4)
        let missing = try idefics(["bench", "decode"], environment: ["IDEFICS_CACHE": "/nonexistent"])
        #expect(missing.status == 1 && missing.errors.contains("make demo-model"))
    }
}
