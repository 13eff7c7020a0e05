// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTokenizers

extension Prompt {
    /// A conversation as its model reads it, ready for the assistant's next turn.
    ///
    /// Process it with `format.processorOptions(over:)`: what ends a turn is already in it. Images stay where they are
    /// among the texts of their turn. What the messages say is words: `<end_of_utterance>` or `<|im_end|>` typed by
    /// somebody ends no turn, and `<image>` shows nothing.
    ///
    /// - Parameters:
    ///   - messages: the turns so far.
    ///   - format: how they are written down.
    public init(conversation messages: [ChatMessage], format: ChatFormat) {
        var writer = ConversationWriter()
        switch format {
        case .idefics(let endOfUtterance):
            for message in messages { writer.writeIdefics(message, endOfUtterance: endOfUtterance ?? "") }
        case .chatML(let defaultSystem):
            // As templates do: only a conversation that begins without a system message gets the default one.
            if let defaultSystem, let first = messages.first, first.role != .system {
                // It is the checkpoint's own text, not somebody's words.
                writer.writeChatML(ChatMessage(role: .system, items: [.marked(MarkedText(markup: defaultSystem))]))
            }
            for message in messages { writer.writeChatML(message) }
        }
        writer.write(format.answerHeader)
        self.init(writer.finish())
    }
}

/// Joins texts that follow each other into one item, because the processor treats each item's ends specially.
private struct ConversationWriter {
    private var items: [Prompt.Item] = []
    private var pending = MarkedText()

    /// Writes what the format puts around messages.
    mutating func write(_ text: String) {
        pending.append(markup: text)
    }

    mutating func write(_ item: Prompt.Item) {
        switch item {
        case .text(let text): pending.append(words: text)
        case .marked(let text): pending.append(text)
        case .image:
            flush()
            items.append(item)
        }
    }

    mutating func writeIdefics(_ message: ChatMessage, endOfUtterance: String) {
        switch message.role {
        case .system: if message.isEmpty { return }
        case .user: write("User:")
        case .assistant: write("Assistant:")
        }
        for (index, item) in message.items.enumerated() {
            if index == 0, message.role != .system, item.markedText != nil { write(" ") }
            write(item)
        }
        write(endOfUtterance + "\n")
    }

    mutating func writeChatML(_ message: ChatMessage) {
        write("\(ChatFormat.turnStart)\(message.role.rawValue)\n")
        for item in message.items { write(item) }
        write("\(ChatFormat.turnEnd)\n")
    }

    mutating func finish() -> [Prompt.Item] {
        flush()
        return items
    }

    private mutating func flush() {
        if !pending.isEmpty { items.append(.marked(pending)) }
        pending = MarkedText()
    }
}

extension ChatMessage {
    /// Whether it says and shows nothing.
    fileprivate var isEmpty: Bool {
        items.allSatisfy(\.isEmptyText)
    }
}
