// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension Prompt {
    /// A conversation as its model reads it, ready for the assistant's next turn.
    ///
    /// Process it with `format.processorOptions(over:)`: what ends a turn is already in it. Pictures stay where they are
    /// among the texts of their turn.
    ///
    /// - Parameters:
    ///   - messages: the turns so far.
    ///   - format: how they are written down.
    public init(conversation messages: [ChatMessage], format: ChatFormat) {
        var writer = ConversationWriter()
        switch format {
        case .idefics(let endOfUtterance):
            for message in messages { writer.writeIdefics(message, endOfUtterance: endOfUtterance ?? "") }
            writer.write("Assistant:")
        case .chatML(let defaultSystem):
            // As templates do: only a conversation that begins without a system message gets the default one.
            if let defaultSystem, let first = messages.first, first.role != .system {
                writer.writeChatML(ChatMessage(role: .system, text: defaultSystem))
            }
            for message in messages { writer.writeChatML(message) }
            writer.write("\(ChatFormat.turnStart)assistant\n")
        }
        self.init(writer.finish())
    }
}

/// Joins texts that follow each other into one item, because the processor treats each item's ends specially.
private struct ConversationWriter {
    private var items: [Prompt.Item] = []
    private var pending = ""

    mutating func write(_ text: String) {
        pending += text
    }

    mutating func write(_ item: Prompt.Item) {
        switch item {
        case .text(let text): pending += text
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
            if index == 0, message.role != .system, case .text = item { write(" ") }
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
        if !pending.isEmpty { items.append(.text(pending)) }
        pending = ""
    }
}

extension ChatMessage {
    /// Whether it says and shows nothing.
    fileprivate var isEmpty: Bool {
        items.allSatisfy { if case .text(let text) = $0 { text.isEmpty } else { false } }
    }
}
