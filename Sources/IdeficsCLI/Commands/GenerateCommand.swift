// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsGeneration
import IdeficsTensor

/// `idefics generate`.
struct GenerateCommand: AsyncParsableCommand, PromptCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continue prompts of pictures and text.",
        discussion: """
            Pictures and texts make one prompt in the order they are given:
              idefics generate --model DIR "User: What is in this picture?" --image cat.jpg "<end_of_utterance>\nAssistant:"
            A text that is an http(s) URL is a picture, as in transformers. With --prompts, each line of a file is a prompt.
            Options are transformers' with its defaults; chat models want --eos-token-id and --bad-words-ids as on their card \
            (`idefics chat` sets them).
            """
    )

    @OptionGroup var loadOptions: LoadOptions

    @Argument(help: "Texts of the prompt.")
    var texts: [String] = []

    @Option(help: "A picture: path, http(s) URL or data: URL (repeatable).")
    var image: [String] = []

    @Option(help: "JSON lines, each a list of \"text\" and {\"image\": \"path-or-url\"}; - for standard input.")
    var prompts: String?

    @Option(help: "A safetensors file with input_ids, image_attention_mask and images, as `process` writes it.")
    var inputs: String?

    @Flag(help: "Write one JSON object instead of text.")
    var json = false

    @Flag(inversion: .prefixedNo, help: "Write text as it is generated (a single prompt without beams).")
    var stream = true

    @OptionGroup(title: "Generation") var generation: GenerationOptions
    @OptionGroup(title: "Prompts") var processing: ProcessorOptions
    @OptionGroup(title: "Pictures") var images: ImageOptions

    func validate() throws {
        let sources = [!texts.isEmpty || !image.isEmpty, prompts != nil, inputs != nil]
        guard sources.count(where: { $0 }) == 1 else {
            throw ValidationError("give texts and pictures, or --prompts, or --inputs")
        }
    }

    func run() async throws {
        let start = ContinuousClock.now
        let container = try await loadOptions.load()
        let loadTime = (ContinuousClock.now - start) / .seconds(1)
        let config = try generation.config(over: container.generationConfig)
        let isStreaming = stream && !json && config.numBeams == 1 && config.numReturnSequences == 1
        let events: AsyncThrowingStream<TextGenerationEvent, any Error>
        var promptCount = 1
        var padded: IdeficsInputs?
        if let inputs {
            let tensors = try TensorInputs.read(inputs)
            padded = tensors
            promptCount = tensors.inputIds.shape.first ?? 0
            events = container.generate(inputs: tensors, config: config)
        } else {
            let batch =
                try prompts.map { try PromptFile($0).all() }
                ?? [Prompt(try PromptArguments.items(of: self, Array(CommandLine.arguments.dropFirst(2))))]
            promptCount = batch.count
            events = container.generate(
                batch,
                config: config,
                options: processing.options(images),
                fetcher: images.fetcher
            )
        }
        var finished: [GenerationInfo] = []
        var firstText: Double?
        for try await event in events {
            firstText = firstText ?? (ContinuousClock.now - start) / .seconds(1)
            switch event {
            case .text(let text, _, _): if isStreaming && promptCount == 1 { try Terminal.write(text) }
            case .finished(let info): finished.append(info)
            }
        }
        finished.sort { ($0.promptIndex, $0.returnIndex) < ($1.promptIndex, $1.returnIndex) }
        if json {
            try Terminal.writeJSON(GenerateReport(finished, inputs: padded, config: config, loadTime: loadTime))
        } else if isStreaming && promptCount == 1 {
            try Terminal.write("\n")
        } else {
            for info in finished { try Terminal.write("\(info.text)\n") }
        }
        summarize(finished, firstText: firstText)
    }

    private func summarize(_ finished: [GenerationInfo], firstText: Double?) {
        guard let first = finished.first else { return }
        let tokens = finished.reduce(0) { $0 + $1.generationTokenCount }
        let seconds = finished.map(\.generateTime).max() ?? 0
        let rate = seconds > 0 ? Double(tokens) / seconds : 0
        Terminal.note(
            "first text after \(Format.number(firstText ?? 0, digits: 2)) s; "
                + "prompt \(first.promptTokenCount) tokens in \(Format.number(first.promptTime, digits: 2)) s; "
                + "\(tokens) tokens in \(Format.number(seconds, digits: 2)) s, \(Format.number(rate, digits: 1)) tokens/s"
        )
    }
}
