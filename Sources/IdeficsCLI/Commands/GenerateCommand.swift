// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsGeneration
import IdeficsTensor

/// `idefics generate`.
package struct GenerateCommand: AsyncParsableCommand, PromptCommand {
    package static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continue prompts of images and text.",
        discussion: """
            Pictures and texts make one prompt in the order they are given:
              idefics generate --model DIR "User: What is in this image?" --image cat.jpg "<end_of_utterance>\nAssistant:"
            A text that is an http(s) URL is an image, as in transformers. With --prompts, each line of a file is a \
            prompt; any number runs in the memory of --batch-size, and each answer is written as soon as it is its turn:
              idefics generate --model DIR --prompts p.jsonl --output answers.jsonl [--resume]
            Options are transformers' with its defaults; chat models want --eos-token-id and --bad-words-ids as on their card \
            (`idefics chat` sets them).
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

    @Option(help: "Prompts of --prompts that run at once: more are faster and take more memory.")
    var batchSize = 8

    @Option(help: "A safetensors file with input_ids, image_attention_mask and images, as `process` writes it.")
    var inputs: String?

    @Flag(help: "Write one JSON object at the end instead of text.")
    var json = false

    @Flag(inversion: .prefixedNo, help: "Write text as it is generated (a single prompt without beams).")
    var stream = true

    @OptionGroup(title: "Answers") var answers: AnswerOptions
    @OptionGroup(title: "Generation") var generation: GenerationOptions
    @OptionGroup(title: "Prompts") var processing: ProcessorOptions
    @OptionGroup(title: "Pictures") package var images: ImageOptions

    package func validate() throws {
        let sources = [!texts.isEmpty || !image.isEmpty, prompts != nil, inputs != nil]
        guard sources.count(where: { $0 }) == 1 else {
            throw ValidationError("give texts and images, or --prompts, or --inputs")
        }
        guard 1...1024 ~= batchSize else {
            throw ValidationError("--batch-size \(batchSize): must be 1 to 1024 prompts")
        }
        if json && answers.areLines { throw ValidationError("--json is one object; --jsonl and --output write lines") }
        if answers.resume && prompts == nil { throw ValidationError("--resume needs --prompts") }
    }

    package func run() async throws {
        let start = ContinuousClock.now
        let container = try await loadOptions.load()
        let loadTime = (ContinuousClock.now - start) / .seconds(1)
        let config = try generation.config(over: container.generationConfig, for: container)
        let padded = try inputs.map(TensorInputs.read)
        let isSingle = prompts == nil && (padded?.inputIds.shape.first ?? 1) == 1
        let count = config.numReturnSequences
        let lines = try answers.areLines ? AnswerLines(answers, to: .generate(count: count)) : nil
        let form: GenerateAnswers.Form =
            if let lines {
                .lines(lines)
            } else if json {
                .report
            } else {
                stream && isSingle && config.numBeams == 1 && count == 1 ? .stream : .text
            }
        let sink = GenerateAnswers(
            form,
            answersPerPrompt: count,
            firstPrompt: lines?.completedPrompts ?? 0,
            start: start
        )
        if let padded {
            try await sink.take(container.generate(inputs: padded, config: config))
        } else if let prompts {
            let file = try PromptFile(prompts)
            let (processor, options) = (try container.textProcessor, processing.options(images))
            try lines?.skipCompleted(file) { processor.tokenCount(of: $0, options: options) }
            try await answer(file, container, config, sink, firstPrompt: lines?.completedPrompts ?? 0)
        } else {
            let prompt = Prompt(try PromptArguments.items(of: self))
            let options = processing.options(images)
            try await sink.take(
                container.generate(prompt, config: config, options: options, fetcher: images.fetcher)
            )
        }
        if json {
            try Terminal.writeJSON(
                GenerateReport(sink.results, inputs: padded, config: config, loadTime: loadTime)
            )
        }
        if let summary = sink.summary { Terminal.note(summary) }
    }

    /// Answers the prompts of `file`, some at a time: their images are held at the model's size, others not at all.
    private func answer(
        _ file: PromptFile,
        _ container: ModelContainer,
        _ config: GenerationConfig,
        _ answers: GenerateAnswers,
        firstPrompt: Int
    ) async throws {
        let processor = try container.textProcessor
        let options = processing.options(images)
        var firstPrompt = firstPrompt
        let bar = PromptProgress(batchSize: batchSize, isResultOnStandardOutput: self.answers.areOnStandardOutput)
        defer { bar.finish() }
        var failure: (any Error)?
        while failure == nil {
            var window: [PromptFile.Line] = []
            do {
                while window.count < batchSize, let line = try file.next() {
                    let prompt = try await file.naming(line) {
                        try await processor.loadImages(of: $0, options: options, fetcher: images.fetcher)
                    }
                    window.append(PromptFile.Line(number: line.number, prompt: prompt))
                }
            } catch {
                // What came before it is answered first.
                failure = error
            }
            guard !window.isEmpty else { break }
            do {
                try await answers.take(
                    container.generate(window.map(\.prompt), config: config, options: options),
                    firstPrompt: firstPrompt,
                    lines: window.map(\.number)
                )
            } catch let error as IdeficsError {
                throw file.error(error, in: window)
            }
            firstPrompt += window.count
            bar.show(file.progress, count: window.count)
        }
        if let failure { throw failure }
    }
}
