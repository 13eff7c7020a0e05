// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation
import IdeficsImages

/// A line of a data file as JSON.
///
/// Everything in it is used or refused: a key that is not known is an error, unless it is one that never holds anything to
/// learn, holds nothing, or is to be ignored by the recipe.
struct ExampleJSON {
    private enum Layout {
        case conversation([TurnJSON])
        case document([PromptItemJSON.Piece])
    }

    private var layout: Layout
    /// Images beside the texts; nil where there is no such list.
    private var images: [String]?

    /// Keys that tell where an example is from and never what is to be learned, at every level.
    static let harmlessKeys: Set<String> = [
        "id", "_id", "uid", "uuid", "guid", "idx", "index", "key", "line", "row", "__index_level_0__", "image_id",
        "question_id", "conversation_id", "source", "src", "origin", "dataset", "subset", "split", "domain", "category",
        "task", "topic", "tags", "lang", "language", "license", "meta", "metadata", "info", "model", "author",
        "timestamp",
        "date", "created", "created_at", "version", "hash", "md5", "sha256", "score", "width", "height",
    ]

    private static let layouts = ["messages", "conversations", "document", "texts", "text"]

    /// Reads the line that `decoder` is at.
    ///
    /// - Throws: `DecodingError`.
    init(_ decoder: any Decoder, ignoredKeys: [String]) throws {
        if (try? decoder.unkeyedContainer()) != nil {
            layout = .document(try [PromptItemJSON](from: decoder).flatMap(\.pieces))
            return
        }
        let object = try LooseObject(decoder, ignoredKeys: ignoredKeys)
        let found = Self.layouts.filter(object.has)
        guard let name = found.first else {
            throw object.problem(nil, "has none of \(Self.layouts.map { "\"\($0)\"" }.joined(separator: ", "))")
        }
        if found.count > 1 {
            throw object.problem(
                nil,
                "has \"\(name)\" and \"\(found[1])\", of which only one can be used; name the other in data.ignoredKeys"
            )
        }
        images = try object.images()
        switch name {
        case "messages", "conversations":
            var turns = try object.decode([TurnJSON].self, name) ?? []
            if let system = try object.decode(String.self, "system"), !system.isEmpty {
                guard turns.first?.role != .system else {
                    throw object.problem("system", "is there, and the first message is of the system, too")
                }
                turns.insert(TurnJSON(role: .system, pieces: [.text(system)]), at: 0)
            }
            try object.finish(knownKeys: [name, "images", "image", "system"])
            for (index, turn) in turns.enumerated() {
                try turn.checkKeys(ignoredKeys, path: "\(name)[\(index)]", of: object)
            }
            layout = .conversation(turns)
        case "document":
            layout = .document(try object.decode([PromptItemJSON].self, name)?.flatMap(\.pieces) ?? [])
            try object.finish(knownKeys: [name, "images", "image"])
        case "texts":
            layout = .document(try object.interleaved())
            images = nil
            try object.finish(knownKeys: [name, "images"])
        default:
            layout = .document([.text(try object.decode(String.self, name) ?? "")])
            try object.finish(knownKeys: [name, "images", "image"])
        }
    }

    /// What is to be learned, with the images where they belong.
    ///
    /// - Parameter folder: where relative paths begin.
    /// - Returns: the content of the example.
    /// - Throws: `ExampleProblem`.
    func content(folder: URL) throws -> TrainingExample.Content {
        func items(_ pieces: [PromptItemJSON.Piece]) -> [Prompt.Item] {
            pieces.compactMap { Prompt.Item($0, folder: folder) }
        }
        switch layout {
        case .conversation(let turns):
            let first = turns.firstIndex { $0.role == .user } ?? 0
            let pieces = try placing(images, in: turns.map(\.pieces), otherwiseBefore: first)
            return .conversation(zip(turns, pieces).map { ChatMessage(role: $0.role, items: items($1)) })
        case .document(let pieces):
            return .document(items(try placing(images, in: [pieces], otherwiseBefore: 0)[0]))
        }
    }
}

/// A turn: `role` and `content`, or `from` and `value` as ShareGPT and LLaVA have them.
struct TurnJSON: Decodable {
    let role: ChatMessage.Role
    let pieces: [PromptItemJSON.Piece]
    private var unknownKeys: [String] = []

    private static let roles: [String: ChatMessage.Role] = [
        "system": .system, "user": .user, "human": .user, "assistant": .assistant, "gpt": .assistant,
        "model": .assistant,
    ]

    init(role: ChatMessage.Role, pieces: [PromptItemJSON.Piece]) {
        self.role = role
        self.pieces = pieces
    }

    init(from decoder: any Decoder) throws {
        let object = try LooseObject(decoder, ignoredKeys: [])
        let (roleKey, contentKey) = object.has("from") || object.has("value") ? ("from", "value") : ("role", "content")
        let name = try object.required(String.self, roleKey)
        guard let role = Self.roles[name] else {
            throw object.problem(roleKey, "is \"\(name)\", none of \(Self.roles.keys.sorted().joined(separator: ", "))")
        }
        self.role = role
        pieces = try object.required(Content.self, contentKey).pieces
        unknownKeys = object.unknownKeys(besides: [roleKey, contentKey])
    }

    /// A text, or a list of items.
    private struct Content: Decodable {
        let pieces: [PromptItemJSON.Piece]

        init(from decoder: any Decoder) throws {
            if let text = try decoder.textIfString() {
                pieces = [.text(text)]
            } else {
                pieces = try [PromptItemJSON](from: decoder).flatMap(\.pieces)
            }
        }
    }

    /// Refuses keys that are neither known nor ignored.
    fileprivate func checkKeys(_ ignoredKeys: [String], path: String, of line: LooseObject) throws {
        if let key = unknownKeys.first(where: { !ignoredKeys.contains($0) }) {
            throw line.problem(nil, "\(path).\(key): \(LooseObject.unknownKey)")
        }
    }
}
