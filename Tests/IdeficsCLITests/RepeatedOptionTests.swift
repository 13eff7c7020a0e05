// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import IdeficsCLI
import IdeficsTestSupport
import Testing

/// An option of one value that is given twice is refused; what may be given often may be so.
@Suite struct RepeatedOptionTests {
    private func isRefused<Command: ParsableCommand>(_ command: Command.Type, _ arguments: [String]) throws -> Bool {
        _ = try command.parse(arguments)
        do {
            try RepeatedOptions.check(arguments, of: command) { _ = try command.parse($0) }
            return false
        } catch is ValidationError {
            return true
        }
    }

    @Test(arguments: [
        (["x", "--model", "a", "--model", "b"], true), (["x", "--model=a", "--model", "b"], true),
        (["x", "--model", "a", "--top-p=1", "--top-p=1"], true), (["x", "--model", "a"], false),
        (["x", "--model", "a", "--image", "a", "--image=b", "--stop-strings", "a", "--stop-strings", "b"], false),
        (["x", "--model", "a", "--json", "--json"], false),
        // Texts and values, which only look like options.
        (["--model", "a", "--", "--model", "--model", "--model=b"], false),
        (["x", "--model", "a", "--stop-strings", "--model", "--stop-strings", "--model=b"], false),
        (["x", "--model", "a", "--image=--model=b", "--stop-strings=--model"], false),
        (["x", "--model", "a", "--stop-strings", "--model", "--model", "b"], true),
    ]) func generate(arguments: [String], isRefused: Bool) throws {
        #expect(try self.isRefused(GenerateCommand.self, arguments) == isRefused)
    }

    @Test(arguments: [
        ["finetune", "--model", tinyModel, "--data", "a.jsonl", "--data", "b.jsonl", "--check-only"],
        ["generate", "--model", tinyModel, "--prompts", "nosuch", "--prompts", "p.jsonl"],
        ["perplexity", "--model", tinyModel, "--text", "a", "--text=b"],
        ["bench", "--layers", "1", "--layers", "2", "--config", "llama-7b"],
        ["process", "--model", tinyModel, "--prompts", "a", "--output", "b", "--output", "c"],
        ["tokenize", "--model", tinyModel, "--model", tinyModel],
    ]) func everyCommandRefusesThem(arguments: [String]) throws {
        let run = try idefics(arguments)
        let name = try #require(
            arguments.first { argument in arguments.count { $0.hasPrefix(argument) } > 1 && argument.hasPrefix("--") }
        )
        #expect(run.status == 64 && run.errors.contains("\(name) is given twice"), "\(run.errors)")
    }
}
