// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTokenizers

/// One turn of a conversation.
public struct ChatMessage: Sendable {
    /// Who speaks.
    public enum Role: String, Sendable, Codable {
        /// Whoever set up the conversation: how the model is to behave.
        case system
        /// The person.
        case user
        /// The model.
        case assistant
    }

    /// Who speaks.
    public var role: Role
    /// What is said and shown; the texts are words, so that no token written out in them is one.
    public var items: [Prompt.Item]

    /// A turn.
    public init(role: Role, items: [Prompt.Item]) {
        self.role = role
        self.items = items
    }

    /// What is said, without what is shown.
    public var text: String {
        items.map { $0.markedText?.plain ?? "" }.joined()
    }

    /// A turn of text alone.
    public init(role: Role, text: String) {
        self.init(role: role, items: [.text(text)])
    }
}
