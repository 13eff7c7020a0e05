// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsFoundation
import IdeficsImages

/// `idefics chat`.
struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat",
        abstract: "Talk with a model about images.",
        discussion: """
            Each line is a turn. Commands: /image PATH-OR-URL shows an image with the next turn (a path may be typed as \
            it is, or as terminals type files that are dropped on them: quoted, with backslashes, several), /reset starts \
            over, /quit (or end of input) ends. The cache is kept between turns. The checkpoint decides how turns are written: \
            as ChatML (<|im_start|>user …<|im_end|>) when its tokenizer has a chat template with these tokens, otherwise \
            as on the instruct models' card (User: …<end_of_utterance>). Such tokens typed in a turn are text. Answers end with the turn and never contain \
            image tokens.
            """
    )

    @OptionGroup var loadOptions: LoadOptions

    @Option(help: "An image for the first turn: path, http(s) URL or data: URL (repeatable).")
    var image: [String] = []

    @Option(
        parsing: .unconditional,
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
        // What cannot be shown is told before the model is loaded.
        var pending: [RGBImage] = []
        for place in image {
            // Standard input has the turns; a pipe can be read once.
            pending.append(try await picture(place == "-" ? ImageSource(place) : images.source(place)))
        }
        let container = try await loadOptions.load()
        if let tokenizer = container.processor?.tokenizer, !ChatFormat.isOfTemplate(of: tokenizer) {
            Terminal.note(
                "warning: the checkpoint's chat template is neither ChatML nor IDEFICS' own and is left aside; "
                    + "turns are written as \"User: …\" and \"Assistant: …\""
            )
        }
        var options = IdeficsProcessor.Options()
        options.imageSize = images.imageSize
        let chat = ChatSession(
            container,
            system: system.map(PathBytes.repaired),
            config: try generation.config(over: container.chatConfig, for: container),
            options: options
        )
        // The size the model sees: a conversation of many large images would fill the memory.
        let side = images.imageSize ?? container.processor?.imageProcessor.imageSize
        func shrunk(_ picture: RGBImage) throws -> RGBImage {
            try side.map { try picture.resized(width: $0, height: $0) } ?? picture
        }
        pending = try pending.map(shrunk)
        // Not readLine, which repairs names that are not UTF-8.
        let lines = LineReader(try ByteStream(path: "-"))
        if Terminal.isInputInteractive { Terminal.note("/image PATH-OR-URL, /reset, /quit") }
        while true {
            if Terminal.isInputInteractive { Terminal.status("> ") }
            guard let line = try lines.next() else { break }
            switch ChatLine(line.text) {
            case .blank: continue
            case .quit: return
            case .reset:
                chat.reset()
                pending = []
            case .image(let text):
                let sources = DroppedPaths.sources(text)
                if sources.isEmpty { Terminal.note("/image needs a path or URL") }
                for source in sources {
                    do {
                        pending.append(try shrunk(await picture(source)))
                    } catch {
                        Terminal.note("error: \(printable("\(error)", limit: 1000))")
                    }
                }
            case .unknown(let word):
                Terminal.note("unknown command \(printable(word)): /image PATH-OR-URL, /reset, /quit")
            case .turn(let text):
                try await answer(text, images: pending.map { .image($0) }, in: chat)
                pending = []
            }
        }
    }

    /// The image, decoded: it is read once, when it is named, and not again with every turn.
    private func picture(_ source: ImageSource) async throws -> RGBImage {
        try await source.load(limits: images.limits, fetcher: images.fetcher)
    }

    /// Streams one answer; a failure is told, and the turn taken back with its images, so that the conversation can go on.
    ///
    /// - Throws: `OutputError` when nobody can read the answers.
    private func answer(_ line: String, images: [ImageSource], in chat: ChatSession) async throws {
        do {
            for try await event in chat.streamResponse(to: line, images: images) {
                switch event {
                case .text(let text, _, _): if !json { try Terminal.write(text) }
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
            if !json { try Terminal.write("\n") }
        } catch let error as OutputError {
            throw error
        } catch {
            chat.removeLastTurn()
            Terminal.note(
                "error: \(printable("\(error)", limit: 1000))\(images.isEmpty ? "" : " (the turn's images are taken back, too)")"
            )
        }
    }
}
