// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// One turn of a conversation.
public struct ChatMessage: Sendable {
    /// Who speaks.
    public enum Role: String, Sendable, Codable {
        /// The person.
        case user
        /// The model.
        case assistant
    }

    /// Who speaks.
    public var role: Role
    /// What is said and shown.
    public var items: [Prompt.Item]

    /// A turn.
    public init(role: Role, items: [Prompt.Item]) {
        self.role = role
        self.items = items
    }

    /// What is said, without what is shown.
    public var text: String {
        items.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    }

    /// A turn of text alone.
    public init(role: Role, text: String) {
        self.init(role: role, items: [.text(text)])
    }
}

extension Prompt {
    /// A conversation in the words of the instruct models' card, ready for the assistant's next turn:
    /// `User: …<end_of_utterance>\nAssistant: …<end_of_utterance>\nUser: …<end_of_utterance>\nAssistant:`.
    ///
    /// Process it with `addEndOfUtteranceToken` false: the tokens are already in it.
    ///
    /// - Parameters:
    ///   - messages: the turns so far.
    ///   - endOfUtterance: written behind each turn; models without that token take a line break alone.
    public init(conversation messages: [ChatMessage], endOfUtterance: String? = "<end_of_utterance>") {
        items = []
        var pending = ""
        func flush(into items: inout [Item]) {
            if !pending.isEmpty { items.append(.text(pending)) }
            pending = ""
        }
        for message in messages {
            pending += message.role == .user ? "User:" : "Assistant:"
            for (index, item) in message.items.enumerated() {
                switch item {
                case .text(let text): pending += (index == 0 ? " " : "") + text
                case .image:
                    flush(into: &items)
                    items.append(item)
                }
            }
            pending += (endOfUtterance ?? "") + "\n"
        }
        pending += "Assistant:"
        flush(into: &items)
    }
}
