// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// How the answers to many prompts are written.
struct AnswerOptions: ParsableArguments {
    @Flag(help: "Write each answer as a line of JSON as soon as it is complete, with prompt_index and line.")
    var jsonl = false

    @Option(
        help: "File or pipe for the lines of --jsonl; a file that holds something already is only touched by --resume."
    )
    var output: String?

    @Flag(help: "With --prompts and --output: go on after the last whole answer in the file.")
    var resume = false

    /// Whether answers are JSON lines.
    var areLines: Bool { jsonl || output != nil }

    /// Whether answers go to standard output, by whatever name.
    var areOnStandardOutput: Bool {
        output.map { ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].contains($0) } ?? true
    }

    func validate() throws {
        if resume && areOnStandardOutput { throw ValidationError("--resume needs --output FILE") }
    }
}
