// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Idefics
package import IdeficsImages
import IdeficsTokenizers

/// An example as the model reads it: the ids of its text with image tokens, and which of them count.
package struct EncodedExample: Sendable {
    /// Ids of the text, cut at the limit.
    package let tokenIds: [Int]
    /// Which of them are to be predicted.
    package let isTarget: [Bool]
    /// Its images, but for those whose token is cut away.
    package let images: [ImageSource]
    /// Whether what is to be predicted is what an assistant says, and nothing else.
    package let isAnswer: Bool
    /// Tokens before the cut.
    let fullCount: Int
    /// Where before the cut the first token is that is to be predicted; nil when there is none.
    let firstTarget: Int?
    /// Images whose token is cut away.
    let imagesCutAway: Int

    /// Targets that have a token before them, so that they are predicted.
    package var targetCount: Int { isTarget.dropFirst().count { $0 } }

    /// The ids of what an assistant says; nil for other examples.
    package var answer: [Int]? {
        isAnswer ? zip(tokenIds, isTarget).dropFirst().filter(\.1).map(\.0) : nil
    }

    /// Encodes `example`.
    ///
    /// - Parameters:
    ///   - example: what to learn from.
    ///   - processor: of the model.
    ///   - config: what counts, and where long examples are cut.
    /// - Throws: `ExampleProblem`.
    package init(_ example: TrainingExample, processor: IdeficsProcessor, config: DataConfig) throws {
        var isTarget: [Bool]
        let ids: [Int]
        switch example.content {
        case .document(let items):
            var options = IdeficsProcessor.Options()
            options.addEndOfUtteranceToken = false
            options.addEosToken = true
            ids = processor.tokenIds(of: Prompt(document: items), options: options)
            isTarget = Array(repeating: true, count: ids.count)
            isAnswer = false
        case .conversation(let messages):
            let writer = ConversationText(processor)
            isAnswer = config.loss == .assistant
            let spans = isAnswer ? try writer.answers(in: messages) : []
            let tokenized = processor.tokenizer.encode(
                try writer.text(messages),
                beginnings: spans.flatMap { [$0.before, $0.through] }
            )
            ids = tokenized.ids
            isTarget = Array(repeating: config.loss == .all, count: ids.count)
            for index in spans.indices {
                let (before, through) = (tokenized.beginnings[2 * index], tokenized.beginnings[2 * index + 1])
                let start = before.commonCount
                // A token that reaches over the end of the answer belongs to it: its beginning has to be predicted.
                let end = through.commonCount + (through.commonCount < through.count ? 1 : 0)
                for index in start..<max(start, min(end, ids.count)) { isTarget[index] = true }
            }
        }
        if !config.imageTokensInLoss {
            let excluded = processor.imageMarkupIds
            for (index, id) in ids.enumerated() where excluded.contains(id) { isTarget[index] = false }
        }
        fullCount = ids.count
        firstTarget = isTarget.dropFirst().firstIndex(of: true)
        tokenIds = Array(ids.prefix(config.maxTokens))
        self.isTarget = Array(isTarget.prefix(config.maxTokens))
        let all = example.images
        images = Array(all.prefix(tokenIds.count { $0 == processor.imageTokenId }))
        imagesCutAway = all.count - images.count
    }

    /// Refuses an example of which nothing counts.
    ///
    /// - Throws: `ExampleProblem`.
    func checkTargets(_ config: DataConfig) throws {
        guard targetCount == 0 else { return }
        guard let firstTarget else {
            throw ExampleProblem("nothing in it counts for the loss", kind: .nothingToLearn)
        }
        throw ExampleProblem(
            "what is to be learned begins at token \(firstTarget + 1) of \(fullCount), after the cut at \(config.maxTokens) "
                + "(data.maxTokens)",
            kind: .answerCutAway
        )
    }
}

/// Conversations as text, exactly as chat writes them.
private struct ConversationText {
    private let processor: IdeficsProcessor
    private let options: IdeficsProcessor.Options
    /// What `Prompt(conversation:)` writes after the turns for the assistant to go on.
    private let header: String
    /// Whether the line break after a turn is no part of an answer, because a token ends it.
    private let hasEndToken: Bool

    init(_ processor: IdeficsProcessor) {
        self.processor = processor
        options = processor.chatFormat.processorOptions(over: IdeficsProcessor.Options())
        header = processor.chatFormat.answerHeader
        hasEndToken = processor.chatFormat.endOfTurnToken != nil
    }

    /// The conversation so far, and what asks for the next answer.
    private func prompt(_ messages: ArraySlice<ChatMessage>) -> MarkedText {
        processor.markedText(of: Prompt(conversation: Array(messages), format: processor.chatFormat), options: options)
    }

    /// The conversation.
    func text(_ messages: [ChatMessage]) throws -> MarkedText {
        try text(messages[...])
    }

    private func text(_ messages: ArraySlice<ChatMessage>) throws -> MarkedText {
        guard let text = prompt(messages).dropping(suffix: header) else {
            throw ExampleProblem("the conversation cannot be written down: it does not end as a turn does")
        }
        return text
    }

    /// For each answer the text before it, which is the prompt that asks for it, and the text through its end.
    func answers(in messages: [ChatMessage]) throws -> [(before: MarkedText, through: MarkedText)] {
        try messages.indices.filter { messages[$0].role == .assistant }.map { index in
            let before = prompt(messages[..<index])
            var through = try text(messages[...index])
            guard through.plain.utf8.starts(with: before.plain.utf8) else {
                throw ExampleProblem("message \(index): the answer does not follow its prompt")
            }
            if hasEndToken, let turn = through.dropping(suffix: "\n") { through = turn }
            return (before, through)
        }
    }
}
