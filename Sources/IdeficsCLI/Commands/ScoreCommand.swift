// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsGeneration

/// `idefics score`.
struct ScoreCommand: AsyncParsableCommand, PromptCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Log-probabilities of given continuations of a prompt.",
        discussion: """
            The prompt is run once and its cache shared:
              idefics score --model DIR --image cat.jpg "Is this a cat? Answer:" --continuation " yes" --continuation " no"
            """
    )

    @OptionGroup var loadOptions: LoadOptions

    @Argument(help: "Texts of the prompt.")
    var texts: [String] = []

    @Option(help: "A picture: path, http(s) URL or data: URL (repeatable).")
    var image: [String] = []

    @Option(parsing: .unconditionalSingleValue, help: "A text that could follow (repeatable).")
    var continuation: [String] = []

    @Flag(help: "Write one JSON object instead of a table.")
    var json = false

    @OptionGroup(title: "Prompts") var processing: ProcessorOptions
    @OptionGroup(title: "Pictures") var images: ImageOptions

    func validate() throws {
        guard !texts.isEmpty || !image.isEmpty else { throw ValidationError("give a prompt: texts, pictures or both") }
        guard !continuation.isEmpty else { throw ValidationError("give at least one --continuation") }
    }

    private struct Score: Encodable {
        let continuation: String
        let logProb: Double
        let tokenLogProbs: [Float]
        let isGreedy: Bool
    }

    func run() async throws {
        let prompt = Prompt(try PromptArguments.items(of: self, Array(CommandLine.arguments.dropFirst(2))))
        let container = try await loadOptions.load()
        let scores = try await container.score(
            prompt,
            continuations: continuation,
            options: processing.options(images),
            fetcher: images.fetcher
        )
        let rows = zip(continuation, scores).map { text, score in
            Score(continuation: text, logProb: score.sum, tokenLogProbs: score.logProbs, isGreedy: score.isGreedy)
        }
        if json {
            try Terminal.writeJSON(["scores": rows])
            return
        }
        for row in rows {
            try Terminal.write(
                "\(Format.number(row.logProb, digits: 4))\t\(row.tokenLogProbs.count)\t\(row.continuation)\n"
            )
        }
    }
}
