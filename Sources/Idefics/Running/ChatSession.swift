// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
public import IdeficsGeneration
public import IdeficsImages
import IdeficsTokenizers

/// A conversation with a model: keeps the turns, and through the container the cache of what was said.
public final class ChatSession {
    /// The turns so far.
    public private(set) var messages: [ChatMessage] = []
    /// What stands before the first turn; nil for what the format has there, which may be nothing.
    public var system: String?
    /// How the turns are written down.
    public let format: ChatFormat
    /// How answers are generated.
    public var config: GenerationConfig
    /// How images are fetched and prepared.
    public var options: IdeficsProcessor.Options

    private let container: ModelContainer
    private let fetcher: (any ImageFetcher)?

    /// A conversation that has not begun.
    ///
    /// - Parameters:
    ///   - container: the model.
    ///   - system: what stands before the first turn; nil for what the format has there.
    ///   - config: how to generate; nil for `ModelContainer.chatConfig`.
    ///   - options: how images are fetched and prepared.
    ///   - fetcher: gets images by URL; nil refuses them.
    public init(
        _ container: ModelContainer,
        system: String? = nil,
        config: GenerationConfig? = nil,
        options: IdeficsProcessor.Options = .init(),
        fetcher: (any ImageFetcher)? = nil
    ) {
        self.container = container
        self.config = config ?? container.chatConfig
        self.system = system
        format = container.chatFormat
        self.options = format.processorOptions(over: options)
        self.fetcher = fetcher
    }

    /// Says something and streams the answer, which becomes part of the conversation when it is complete.
    ///
    /// - Parameters:
    ///   - text: what the user says.
    ///   - images: what the user shows, before the text.
    /// - Returns: text as it appears and one `.finished`.
    public func streamResponse(
        to text: String,
        images: [ImageSource] = []
    ) -> AsyncThrowingStream<TextGenerationEvent, any Error> {
        messages.append(ChatMessage(role: .user, items: images.map { .image($0) } + [.text(text)]))
        let opening = system.map { [ChatMessage(role: .system, text: $0)] } ?? []
        let prompt = Prompt(conversation: opening + messages, format: format)
        return container.generate(prompt, config: config, options: options, fetcher: fetcher)
    }

    /// Adds an answer to the conversation; to be called with the text of `.finished`.
    public func append(answer: String) {
        messages.append(ChatMessage(role: .assistant, text: format.answer(in: answer)))
    }

    /// Says something and waits for the whole answer.
    ///
    /// - Parameters:
    ///   - text: what the user says.
    ///   - images: what the user shows, before the text.
    /// - Returns: the answer.
    /// - Throws: what processing the prompt or generating throws; the turn is then taken back.
    public func respond(to text: String, images: [ImageSource] = []) async throws -> String {
        var answer = ""
        do {
            for try await event in streamResponse(to: text, images: images) {
                if case .finished(let info) = event { answer = info.text }
            }
        } catch {
            removeLastTurn()
            throw error
        }
        append(answer: answer)
        return format.answer(in: answer)
    }

    /// Takes back the last turn, for instance when answering it failed.
    public func removeLastTurn() {
        if !messages.isEmpty { messages.removeLast() }
    }

    /// Starts over.
    public func reset() {
        messages = []
    }
}

extension ModelContainer {
    /// How conversations are written for this model; IDEFICS' own format when it has no tokenizer.
    public nonisolated var chatFormat: ChatFormat {
        processor?.chatFormat ?? .idefics(endOfUtterance: nil)
    }

    /// Generation options for a conversation: answers end with the turn, and image tokens are never written.
    ///
    /// The instruct models' card asks for both: `eos_token_id` with `<end_of_utterance>`, `bad_words_ids` with the image
    /// tokens. Models without that token end at the next `User:`, those of ChatML at `<|im_end|>`.
    public nonisolated var chatConfig: GenerationConfig {
        var config = generationConfig
        if config.maxNewTokens == nil { config.maxNewTokens = 256 }
        guard let tokenizer = processor?.tokenizer else { return config }
        config.badWordsIds += [IdeficsProcessor.imageToken, IdeficsProcessor.fakeToken]
            .compactMap { tokenizer.convertTokenToId($0).map { [$0] } }
        if let end = chatFormat.endOfTurnToken.flatMap(tokenizer.convertTokenToId),
            !config.eosTokenId.contains(end)
        {
            config.eosTokenId.insert(end, at: 0)
        }
        if let stopString = chatFormat.stopString { config.stopStrings.append(stopString) }
        return config
    }
}
