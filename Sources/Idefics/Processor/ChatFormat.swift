// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTokenizers

/// How the turns of a conversation are written down for a model: one of two fixed formats, no template language.
///
/// The format is the checkpoint's: ``init(tokenizer:)`` chooses it. Source of the first: the card of
/// `HuggingFaceM4/idefics-9b-instruct`; of the second: the `chat_template` of SmolLM2, Qwen and their relatives.
public enum ChatFormat: Sendable, Equatable {
    /// `User: …<end_of_utterance>\nAssistant: …<end_of_utterance>\n`, and `Assistant:` for the next turn.
    ///
    /// A system message is a text of its own without a label, which the card knows nothing of: it goes where it is
    /// given, first as a rule, and ends as every turn does.
    ///
    /// - Parameter endOfUtterance: written after each turn; nil for models without that token, whose turns end with
    ///   the line break alone.
    case idefics(endOfUtterance: String?)

    /// `<|im_start|>user\n…<|im_end|>\n`, and `<|im_start|>assistant\n` for the next turn.
    ///
    /// - Parameter defaultSystem: the system message of a conversation that does not begin with one; nil for none.
    case chatML(defaultSystem: String?)

    static let turnStart = "<|im_start|>"
    static let turnEnd = "<|im_end|>"

    /// The format that the checkpoint of `tokenizer` was made for.
    ///
    /// ChatML when the chat template speaks of `<|im_start|>` and the vocabulary holds that token and `<|im_end|>`;
    /// IDEFICS' own otherwise, with `<end_of_utterance>` where the vocabulary has it.
    public init(tokenizer: any Tokenizer) {
        if let template = tokenizer.chatTemplate, template.contains(Self.turnStart),
            tokenizer.convertTokenToId(Self.turnStart) != nil, tokenizer.convertTokenToId(Self.turnEnd) != nil
        {
            self = .chatML(defaultSystem: Self.defaultSystem(inTemplate: template))
        } else {
            let hasEnd = tokenizer.convertTokenToId(IdeficsProcessor.endOfUtteranceToken) != nil
            self = .idefics(endOfUtterance: hasEnd ? IdeficsProcessor.endOfUtteranceToken : nil)
        }
    }

    /// Whether the chat template of the checkpoint of `tokenizer` is of the format that is chosen for it, as far as its
    /// tokens tell; true where there is no template.
    ///
    /// Templates are not run: turns of any other kind (Llama's `[INST]`, headers, Zephyr's `<|user|>`) are written in
    /// IDEFICS' own format, which such a model was not made for.
    public static func isOfTemplate(of tokenizer: any Tokenizer) -> Bool {
        guard let template = tokenizer.chatTemplate, !template.isEmpty else { return true }
        if case .chatML = ChatFormat(tokenizer: tokenizer) { return true }
        return template.contains(IdeficsProcessor.endOfUtteranceToken)
    }

    /// The system message a ChatML template writes when the conversation has none; nil if it holds no such literal.
    ///
    /// It is the text between `<|im_start|>system`, a line break (as itself or as the two characters `\n`) and
    /// `<|im_end|>`. Text with quotes, braces or other escapes is part of an expression, not a literal.
    package static func defaultSystem(inTemplate template: String) -> String? {
        // Pieces after each occurrence: every character is looked at a fixed number of times.
        for piece in template.split(separator: "\(turnStart)system", omittingEmptySubsequences: false).dropFirst() {
            guard let end = piece.firstRange(of: turnEnd) else { continue }
            let text = piece[..<end.lowerBound].replacing("\\n", with: "\n")
            guard text.first == "\n", !text.contains(where: { "'\"{}\\".contains($0) }) else { continue }
            return String(text.dropFirst())
        }
        return nil
    }

    /// The text that ends an answer when the model has no token for it; nil when it has.
    var stopString: String? {
        if case .idefics(endOfUtterance: nil) = self { Self.nextUserTurn } else { nil }
    }

    /// What stands after the turns for the assistant to go on.
    package var answerHeader: String {
        switch self {
        case .idefics: "Assistant:"
        case .chatML: "\(Self.turnStart)assistant\n"
        }
    }

    /// The token that ends an answer; nil when there is none.
    package var endOfTurnToken: String? {
        switch self {
        case .idefics(let endOfUtterance): endOfUtterance
        case .chatML: Self.turnEnd
        }
    }

    /// `options` for prompts in this format.
    ///
    /// Tokens at the ends of turns are already in the text, and ChatML's messages keep the spaces at their ends.
    public func processorOptions(over options: IdeficsProcessor.Options) -> IdeficsProcessor.Options {
        var options = options
        options.addEndOfUtteranceToken = false
        if case .chatML = self { options.stripsSpaces = false }
        return options
    }

    /// The assistant's message in what the model wrote.
    ///
    /// IDEFICS' format: without the space before it, white space after it and a next turn the model made up. ChatML
    /// puts nothing around a message, so nothing is taken away.
    public func answer(in text: String) -> String {
        guard case .idefics = self else { return text }
        var answer = text.firstRange(of: Self.nextUserTurn).map { text[..<$0.lowerBound] } ?? text[...]
        answer = answer.drop { $0.isWhitespace }
        while answer.last?.isWhitespace == true { answer.removeLast() }
        return String(answer)
    }

    private static let nextUserTurn = "\nUser:"
}
