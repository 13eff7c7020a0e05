// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsImages

/// `idefics chat`.
struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat",
        abstract: "Talk with a model about pictures.",
        discussion: """
            Each line is a turn. Commands: /image PATH-OR-URL shows a picture with the next turn, /reset starts over, \
            /quit (or end of input) ends. The cache is kept between turns. The checkpoint decides how turns are written: \
            as ChatML (<|im_start|>user …<|im_end|>) when its tokenizer has a chat template with these tokens, otherwise \
            as on the instruct models' card (User: …<end_of_utterance>). Such tokens typed in a turn are text. Answers end with the turn and never contain \
            image tokens.
            """
    )

    @OptionGroup var loadOptions: LoadOptions

    @Option(help: "A picture for the first turn: path, http(s) URL or data: URL (repeatable).")
    var image: [String] = []

    @Option(
        help: """
            What stands before the first turn: how the model is to behave. (default: ChatML: what the checkpoint's \
            template writes there; else nothing)
            """
    )
    var system: String?

    @Flag(help: "Write one JSON object for each answer.")
    var json = false

    @OptionGroup(title: "Generation") var generation: GenerationOptions
    @OptionGroup(title: "Pictures") var images: ImageOptions

    private struct Answer: Encodable {
        let text: String
        let tokenIds: [Int]
        let promptTokenCount: Int
        let promptTime: Double
        let generateTime: Double
        let stopReason: String
    }

    func run() async throws {
        let container = try await loadOptions.load()
        if let tokenizer = container.processor?.tokenizer, !ChatFormat.isOfTemplate(of: tokenizer) {
            Terminal.note(
                "warning: the checkpoint's chat template is neither ChatML nor IDEFICS' own and is left aside; "
                    + "turns are written as \"User: …\" and \"Assistant: …\""
            )
        }
        var options = IdeficsProcessor.Options()
        options.imageSize = images.imageSize
        options.imageLimits = images.limits
        let chat = ChatSession(
            container,
            system: system,
            config: try generation.config(over: container.chatConfig, for: container),
            options: options,
            fetcher: images.fetcher
        )
        var pending = image.map { ImageSource($0) }
        if Terminal.isInputInteractive { Terminal.note("/image PATH-OR-URL, /reset, /quit") }
        while true {
            if Terminal.isInputInteractive { Terminal.status("> ") }
            guard let line = readLine() else { break }
            switch line.split(separator: " ", maxSplits: 1).first {
            case nil: continue
            case "/quit", "/exit": return
            case "/reset":
                chat.reset()
                pending = []
            case "/image":
                let place = line.dropFirst("/image".count).drop { $0 == " " }
                if place.isEmpty {
                    Terminal.note("/image needs a path or URL")
                } else {
                    pending.append(ImageSource(String(place)))
                }
            case let word? where word.hasPrefix("/"):
                Terminal.note("unknown command \(word): /image PATH-OR-URL, /reset, /quit")
            default:
                if await answer(line, images: pending, in: chat) { pending = [] }
            }
        }
    }

    /// Streams one answer; a failure is told, and the turn taken back, so that the conversation can go on.
    private func answer(_ line: String, images: [ImageSource], in chat: ChatSession) async -> Bool {
        do {
            for try await event in chat.streamResponse(to: line, images: images) {
                switch event {
                case .text(let text, _, _): if !json { Terminal.write(text) }
                case .finished(let info):
                    chat.append(answer: info.text)
                    guard json else { continue }
                    try Terminal.writeJSON(
                        Answer(
                            text: chat.messages.last?.text ?? "",
                            tokenIds: info.tokenIds,
                            promptTokenCount: info.promptTokenCount,
                            promptTime: info.promptTime,
                            generateTime: info.generateTime,
                            stopReason: info.stopReason.name
                        )
                    )
                }
            }
            if !json { Terminal.write("\n") }
            return true
        } catch {
            chat.removeLastTurn()
            Terminal.note("error: \(error)")
            return false
        }
    }
}
