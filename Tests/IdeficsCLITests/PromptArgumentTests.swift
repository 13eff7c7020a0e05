// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsCLI
import IdeficsImages
import Testing

/// Texts and images stay in the order they are given in, whatever stands among them.
@Suite struct PromptArgumentTests {
    /// Items in one line each.
    private func order<Command: PromptCommand>(_ command: Command.Type, _ arguments: [String]) throws -> [String] {
        try PromptArguments.items(of: Command.parse(arguments), arguments).map { item in
            switch item {
            case .text(let text): "text \(text)"
            case .marked(let text): "words \(text)"
            case .image(.file(let url)): "image \(url.lastPathComponent)"
            case .image(let source): "image \(source)"
            }
        }
    }

    /// What `--experimental-dump-help` tells of a command.
    private struct Tool: Decodable {
        struct Command: Decodable { let arguments: [Argument] }
        struct Argument: Decodable {
            struct Name: Decodable { let kind: String, name: String }
            let kind: String
            let names: [Name]?
            let allValues: [String]?
        }
        let command: Command
    }

    /// Every flag, and every option with a value it takes, that may stand anywhere in a line of `command`.
    private func additions<Command: PromptCommand>(_ command: Command.Type, base: [String]) throws -> [[String]] {
        let tool = try JSONDecoder().decode(Tool.self, from: Data(Command._dumpHelp().utf8))
        let values = ["7", "z", "0.5", "1", "false", "right", "[[1]]", "longest", "int8"]
        var additions: [[String]] = [["--"]]
        var found = 0
        for argument in tool.command.arguments where argument.kind != "positional" {
            for name in argument.names ?? [] where name.kind == "long" {
                let option = "--\(name.name)"
                if ["--help", "--version", "--image", "--model", "--prompts", "--inputs"].contains(option) { continue }
                let lines = argument.kind == "flag" ? [[option]] : values.map { [option, $0] }
                let taken = lines.first { (try? Command.parse(base + $0)) != nil }
                // Some make sense with others only; those are not what this test is about.
                guard let taken else { continue }
                found += 1
                additions.append(taken)
                if taken.count == 2 { additions.append(["\(option)=\(taken[1])"]) }
            }
        }
        #expect(found > 10)
        return additions
    }

    private func check<Command: PromptCommand>(_ command: Command.Type, required: [String]) throws {
        // Texts that are also values of options, the same twice, and what looks like another option's value.
        let prompt = [
            ["left"], ["--image", "a.jpg"], ["middle"], ["--image=b.jpg"], ["5"], ["middle"], ["--image", "a.jpg"],
        ]
        let expected = [
            "text left", "image a.jpg", "text middle", "image b.jpg", "text 5", "text middle", "image a.jpg",
        ]
        for (number, addition) in try additions(command, base: required + ["x"]).enumerated() {
            // Flags at every place; options, of which there are many, at one after the other.
            let places =
                addition[0].contains("=") || addition.count == 2
                ? [number % (prompt.count + 1)] : Array(0...prompt.count)
            for place in places where addition != ["--"] || place == prompt.count {
                let parts = prompt[..<place] + [addition] + prompt[place...]
                let arguments = required + parts.joined()
                #expect(try order(command, arguments) == expected, "\(arguments)")
            }
        }
        #expect(try order(command, prompt.joined() + required) == expected)
        // Values of options that are also texts.
        let same = ["--padding-side", "left", "--max-prompt-length=5", "--max-prompt-length", "5"]
        for place in 0...prompt.count {
            let arguments = required + prompt[..<place].joined() + same + prompt[place...].joined()
            #expect(try order(command, arguments) == expected, "\(arguments)")
        }
    }

    @Test func noFlagOrOptionOfGenerateMovesAnything() throws {
        try check(GenerateCommand.self, required: ["--model", "middle"])
    }

    @Test func noFlagOrOptionOfScoreMovesAnything() throws {
        try check(ScoreCommand.self, required: ["--model", "a.jpg", "--continuation", "middle"])
    }

    @Test func afterTwoDashesEverythingIsText() throws {
        let arguments = [
            "--model", "m", "--image", "a.jpg", "x", "--image=--json", "--", "--image=a.jpg", "--json", "a.jpg", "--",
        ]
        #expect(
            try order(GenerateCommand.self, arguments) == [
                "image a.jpg", "text x", "image --json", "text --image=a.jpg", "text --json", "text a.jpg", "text --",
            ]
        )
    }

    @Test func valuesMayBeginWithADash() throws {
        let arguments = [
            "--model", "m", "What is 2 - 7?", "--continuation", "-5", "--continuation=- 4", "--image=-.jpg",
        ]
        #expect(try ScoreCommand.parse(arguments).continuation == ["-5", "- 4"])
        #expect(try order(ScoreCommand.self, arguments) == ["text What is 2 - 7?", "image -.jpg"])
        // It is the option's value: as the end of options it would leave the option without one.
        #expect(try order(GenerateCommand.self, ["--model", "m", "x", "--stop-strings", "--"]) == ["text x"])
    }
}
