// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// Many prompts in one file: answers in order as they come, and going on after an end in the middle.
@Suite struct PromptFileTests {
    private func lines(_ data: Data) throws -> [[String: Any]] {
        try data.split(separator: UInt8(ascii: "\n")).map {
            try #require(JSONSerialization.jsonObject(with: Data($0)) as? [String: Any])
        }
    }

    private func ids(_ lines: [[String: Any]]) -> [[Int]?] { lines.map { $0["token_ids"] as? [Int] } }

    private let model = ["--model", tinyModel, "--max-new-tokens", "4"]

    @Test func answersAreThoseOfOneBatch() throws {
        let folder = try TemporaryFolder()
        let prompts = (0..<7).map { "[\"What is \($0)?\", {\"image\": \"\(picture("rgb.png"))\"}]" }
        try folder.write(Array((prompts.joined(separator: "\n\n") + "\n").utf8), "p.jsonl")
        let file = folder.path("p.jsonl")
        let whole = try idefics(["generate", "--prompts", file, "--json", "--batch-size", "7"] + model)
        let report = try #require((whole.json() as? [String: Any])?["results"] as? [[String: Any]])
        let output = folder.path("answers.jsonl")
        let run = try idefics(["generate", "--prompts", file, "--output", output, "--batch-size", "2"] + model)
        #expect(run.status == 0 && run.output.isEmpty, "\(run.errors)")
        let data = try Data(contentsOf: URL(filePath: output))
        let answers = try lines(data)
        #expect(ids(answers) == ids(report))
        #expect(answers.map { $0["prompt_index"] as? Int } == Array(0..<7))
        #expect(answers.map { $0["line"] as? Int } == [1, 3, 5, 7, 9, 11, 13])
        let piped = try idefics(
            ["generate", "--prompts", "-", "--jsonl"] + model,
            input: prompts.joined(separator: "\n")
        )
        #expect(try ids(lines(Data(piped.output.utf8))) == ids(report))

        // It is not written to again without being asked.
        let again = try idefics(["generate", "--prompts", file, "--output", output] + model)
        #expect(again.status != 0 && again.errors.contains("--resume"))
        #expect(try Data(contentsOf: URL(filePath: output)) == data)
        // An end in the middle of a line: that answer and those after it are made anew.
        let third = try #require(data.split(separator: UInt8(ascii: "\n")).dropFirst(2).first?.endIndex)
        for cut in [third - 5, third, third + 1, 0] {
            try data.prefix(cut).write(to: URL(filePath: output))
            let resumed = try idefics(["generate", "--prompts", file, "--output", output, "--resume"] + model)
            #expect(resumed.status == 0, "\(resumed.errors)")
            let found = try lines(Data(contentsOf: URL(filePath: output)))
            #expect(ids(found) == ids(report))
            #expect(found.map { $0["line"] as? Int } == answers.map { $0["line"] as? Int })
        }
        // Answers to other prompts, and what is no answer, are left alone.
        try folder.write(Array(prompts.joined(separator: "\n").utf8), "q.jsonl")
        let other = try idefics(
            [
                "generate", "--prompts", folder.path("q.jsonl"), "--output", output, "--resume",
            ] + model
        )
        #expect(other.status != 0 && other.errors.contains("other prompts"), "\(other.errors)")
        try folder.write(Array("my notes\n".utf8), "notes.txt")
        let notes = try idefics(
            [
                "generate", "--prompts", file, "--output", folder.path("notes.txt"), "--resume",
            ] + model
        )
        #expect(notes.status != 0 && notes.errors.contains("line 1"))
        #expect(try Data(contentsOf: folder.url.appending(path: "notes.txt")) == Data("my notes\n".utf8))
    }

    @Test func aBadPromptIsNamedAndTheOnesBeforeAreAnswered() throws {
        let folder = try TemporaryFolder()
        for (bad, named) in [
            ("[{\"image\": \"none.png\"}]", "none.png"), ("[\"x\", {\"images\": []}]", "[1].images"),
            ("[\"x\"", "JSON"),
        ] {
            try folder.write(Array("[\"one\"]\n[\"two\"]\n\(bad)\n[\"four\"]\n".utf8), "p.jsonl")
            let run = try idefics(["generate", "--prompts", folder.path("p.jsonl"), "--jsonl"] + model)
            #expect(run.status != 0)
            #expect(run.errors.contains("p.jsonl, line 3") && run.errors.contains(named), "\(run.errors)")
            #expect(try lines(Data(run.output.utf8)).count == 2)
        }
    }

    /// Answers to other questions in the same number of lines are not gone on with.
    @Test func onlyAnswersToTheSameAreGoneOnWith() throws {
        let folder = try TemporaryFolder()
        func write(_ word: String) throws -> [String] {
            try folder.write(Array((1...4).map { "[\"\(word) \($0)\"]\n" }.joined().utf8), "p.jsonl")
            return ["--model", tinyModel, "--prompts", folder.path("p.jsonl"), "--output"]
        }
        let (scores, texts) = (folder.path("scores.jsonl"), folder.path("texts.jsonl"))
        let arguments = try write("hi")
        func score(_ continuations: [String], _ more: [String] = []) throws -> ProductRun {
            try idefics(["score"] + arguments + [scores] + continuations.flatMap { ["--continuation", $0] } + more)
        }
        func cut(_ path: String) throws -> Data {
            let lines = try Data(contentsOf: URL(filePath: path)).split(separator: UInt8(ascii: "\n"))
            let data = Data(lines.prefix(2).joined(separator: [UInt8(ascii: "\n")]) + [UInt8(ascii: "\n")])
            try data.write(to: URL(filePath: path))
            return data
        }
        #expect(try score([" yes"]).status == 0)
        let two = try cut(scores)
        for continuations in [[" maybe"], [" yes", " no"]] {
            let run = try score(continuations, ["--resume"])
            #expect(run.status == 1 && run.errors.contains("line 1: is an answer to another question"), "\(run.errors)")
        }
        let generate = ["generate", "--max-new-tokens", "2"]
        let mixed = try idefics(generate + arguments + [scores, "--resume"])
        #expect(mixed.status == 1 && mixed.errors.contains("another question"), "\(mixed.errors)")
        #expect(try Data(contentsOf: URL(filePath: scores)) == two)
        #expect(try score([" yes"], ["--resume"]).status == 0)

        #expect(try idefics(generate + arguments + [texts]).status == 0)
        let answers = try cut(texts)
        _ = try write("something much longer than that")
        let other = try idefics(generate + arguments + [texts, "--resume"])
        #expect(other.status == 1 && other.errors.contains("tokens"), "\(other.errors)")
        #expect(try Data(contentsOf: URL(filePath: texts)) == answers)
        _ = try write("hi")
        #expect(try idefics(generate + arguments + [texts, "--resume"]).status == 0)
        #expect(try lines(Data(contentsOf: URL(filePath: texts))).count == 4)
    }

    /// Pipes and devices take lines as standard output does.
    @Test func answersGoIntoPipes() throws {
        let folder = try TemporaryFolder()
        func run(_ script: String) throws -> ProductRun {
            try ProductRun(
                "idefics",
                shell: "run() { $program generate --model \"$1\" hi --max-new-tokens 2 --output \"${@:2}\"; }; "
                    + script,
                [tinyModel],
                workingDirectory: folder.url
            )
        }
        let expected = try idefics(["generate", "--model", tinyModel, "hi", "--max-new-tokens", "2", "--jsonl"])
        let ids = try ids(lines(Data(expected.output.utf8)))
        for script in [
            "run $1 /dev/stdout | cat", "run $1 - | cat", "mkfifo f; cat f & run $1 f; wait", "run $1 >(cat); sleep 1",
            "ln -s later link; run $1 link; cat later",
        ] {
            let found = try run(script)
            #expect(
                try found.status == 0 && self.ids(lines(Data(found.output.utf8))) == ids,
                "\(script): \(found.errors)"
            )
        }
        #expect(try run("run $1 .").errors.contains("is a folder"))
        #expect(try run("run $1 /dev/full").errors.contains("No space left"))
    }

    @Test func everyPromptOfAFileIsScored() throws {
        let prompts = "[\"Is it?\"]\n[\"Is it not?\"]\n"
        let arguments = ["--model", tinyModel, "--continuation", " yes", "--continuation", " no"]
        let run = try idefics(["score", "--prompts", "-", "--jsonl"] + arguments, input: prompts)
        #expect(run.status == 0, "\(run.errors)")
        let answers = try lines(Data(run.output.utf8))
        #expect(answers.map { $0["prompt_index"] as? Int } == [0, 1])
        let alone = try idefics(["score", "Is it not?", "--json"] + arguments)
        let expected = try #require((alone.json() as? [String: Any])?["scores"] as? [[String: Any]])
        let found = try #require(answers[1]["scores"] as? [[String: Any]])
        for (found, expected) in zip(found, expected) {
            let (a, b) = (found["log_prob"] as? Double ?? 0, expected["log_prob"] as? Double ?? 1)
            #expect(abs(a - b) <= 1e-4)
        }
    }

    @Test(arguments: [
        (["--eos-token-id", "503"], "--eos-token-id"), (["--eos-token-id", "2,99999999999"], "--eos-token-id"),
        (["--pad-token-id", "-1"], "--pad-token-id"), (["--bad-words-ids", "[[503]]"], "--bad-words-ids"),
        (["--padding", "max_length", "--max-prompt-length", "9223372036854775807"], "--max-prompt-length"),
        (["--max-batch-bytes", "1000"], "--max-batch-bytes"),
    ])
    func numbersOutOfRangeAreNamed(options: [String], named: String) throws {
        let run = try idefics(["generate", "hi"] + model + options)
        #expect(run.status != 0 && !run.isSignalled)
        #expect(run.errors.contains(named), "\(run.errors)")
    }
}
