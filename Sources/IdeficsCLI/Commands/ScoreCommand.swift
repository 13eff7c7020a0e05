// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import Idefics
import IdeficsFoundation
import IdeficsGeneration

/// `idefics score`.
package struct ScoreCommand: AsyncParsableCommand, PromptCommand {
    package static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Log-probabilities of given continuations of a prompt.",
        discussion: """
            The prompt is run once and its cache shared:
              idefics score --model DIR --image cat.jpg "Is this a cat? Answer:" --continuation " yes" --continuation " no"
            With --prompts, each line of a file is a prompt; they are scored one after the other, and written as they are.
            """
    )

    /// A command without arguments, which the parser fills in.
    package init() {}

    @OptionGroup var loadOptions: LoadOptions

    @Argument(help: "Texts of the prompt.")
    package var texts: [String] = []

    @Option(help: "An image: path, http(s) URL or data: URL (repeatable).")
    package var image: [String] = []

    @Option(
        help: "JSON lines, each a list of \"text\" and {\"image\": \"path-or-url\"}; a pipe too, - for standard input."
    )
    var prompts: String?

    @Option(parsing: .unconditionalSingleValue, help: "A text that could follow (repeatable).")
    package var continuation: [String] = []

    @Flag(help: "Write one JSON object instead of a table.")
    var json = false

    @OptionGroup(title: "Answers") var answers: AnswerOptions
    @OptionGroup(title: "Prompts") var processing: ProcessorOptions
    @OptionGroup(title: "Pictures") package var images: ImageOptions

    package func validate() throws {
        guard (!texts.isEmpty || !image.isEmpty) != (prompts != nil) else {
            throw ValidationError("give a prompt: texts, images or both; or --prompts")
        }
        guard !continuation.isEmpty else { throw ValidationError("give at least one --continuation") }
        if json && prompts != nil {
            throw ValidationError("--json is one prompt's object; --prompts goes with --jsonl")
        }
        if json && answers.areLines { throw ValidationError("--json is one object; --jsonl and --output write lines") }
        if answers.resume && prompts == nil { throw ValidationError("--resume needs --prompts") }
    }

    private struct Score: Encodable {
        let continuation: String
        let logProb: Double
        let tokenLogProbs: [Float]
        let isGreedy: Bool
    }

    private struct Answer: Encodable {
        let promptIndex: Int
        /// Where the prompt is in its file, counted from 1.
        let line: Int?
        let scores: [Score]
    }

    package func run() async throws {
        let arguments = try PromptArguments.items(of: self)
        let container = try await loadOptions.load()
        let question = AnswerLines.Question.score(continuation.map(PathBytes.repaired))
        let lines = try answers.areLines ? AnswerLines(answers, to: question) : nil
        guard let prompts else {
            try write(Answer(promptIndex: 0, line: nil, scores: await score(Prompt(arguments), container)), to: lines)
            return
        }
        let file = try PromptFile(prompts)
        try lines?.skipCompleted(file)
        let bar = PromptProgress(batchSize: 1, isResultOnStandardOutput: answers.areOnStandardOutput)
        defer { bar.finish() }
        var index = lines?.completedPrompts ?? 0
        while let line = try file.next() {
            let scores = try await file.naming(line) { try await score($0, container) }
            try write(Answer(promptIndex: index, line: line.number, scores: scores), to: lines)
            index += 1
            bar.show(file.progress, count: 1)
        }
    }

    private func score(_ prompt: Prompt, _ container: ModelContainer) async throws -> [Score] {
        let continuation = continuation.map(PathBytes.repaired)
        let scores = try await container.score(
            prompt,
            continuations: continuation.map(PathBytes.repaired),
            options: processing.options(images),
            fetcher: images.fetcher
        )
        return zip(continuation, scores).map { text, score in
            Score(continuation: text, logProb: score.sum, tokenLogProbs: score.logProbs, isGreedy: score.isGreedy)
        }
    }

    /// Writes a line of JSON, an object, or a table, whose first column is the prompt's index where there are several.
    private func write(_ answer: Answer, to lines: AnswerLines?) throws {
        if let lines { return try lines.write(answer) }
        if json { return try Terminal.writeJSON(["scores": answer.scores]) }
        for row in answer.scores {
            try Terminal.write(
                (prompts == nil ? "" : "\(answer.promptIndex)\t")
                    + "\(Format.number(row.logProb, digits: 4))\t\(row.tokenLogProbs.count)\t\(row.continuation)\n"
            )
        }
    }
}
