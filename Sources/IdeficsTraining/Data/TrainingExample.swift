// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
public import Idefics
import IdeficsImages

/// One thing to learn from.
public struct TrainingExample: Sendable {
    /// What it is.
    public enum Content: Sendable {
        /// Turns of a chat, written down in the model's own format.
        case conversation([ChatMessage])
        /// Text and pictures as they follow each other.
        case document([Prompt.Item])
    }

    /// What it is.
    public var content: Content

    /// An example.
    public init(_ content: Content) {
        self.content = content
    }

    /// The example that a line of a data file says: `{"messages": […]}`, `{"document": […]}`, `{"image": …, "text": …}`,
    /// or a list of texts and pictures as `generate --prompts` reads it.
    ///
    /// - Parameters:
    ///   - json: the line.
    ///   - folder: where relative paths of pictures begin.
    /// - Throws: `ExampleProblem`.
    package init(json: Data, folder: URL) throws {
        let line: Line
        do {
            line = try JSONDecoder().decode(Line.self, from: json)
        } catch let error as DecodingError {
            throw ExampleProblem(error)
        }
        func source(_ item: Item) -> Prompt.Item {
            switch item {
            case .text(let text): .text(text)
            case .image(let place): .image(Self.image(place, folder: folder))
            }
        }
        switch line {
        case .messages(let messages):
            content = .conversation(messages.map { ChatMessage(role: $0.role, items: $0.content.map(source)) })
        case .document(let items):
            content = .document(items.map(source))
        }
        guard !isEmpty else { throw ExampleProblem("says and shows nothing") }
    }

    private var isEmpty: Bool {
        let items: [Prompt.Item]
        switch content {
        case .conversation(let messages): items = messages.flatMap(\.items)
        case .document(let all): items = all
        }
        return items.allSatisfy(\.isEmptyText)
    }

    private static func image(_ place: String, folder: URL) -> ImageSource {
        let source = ImageSource(place)
        guard case .file = source, !place.hasPrefix("/"), !place.lowercased().hasPrefix("file:") else { return source }
        return .file(folder.appending(path: place))
    }
}

/// Why a line is not an example, without where.
package struct ExampleProblem: Error {
    package let reason: String

    package init(_ reason: String) { self.reason = reason }

    package init(_ error: DecodingError) {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            self.init(Self.text(context.codingPath, context.debugDescription))
        case .keyNotFound(let key, let context):
            self.init(Self.text(context.codingPath + [key], "is missing"))
        @unknown default: self.init("\(error)")
        }
    }

    private static func text(_ path: [any CodingKey], _ reason: String) -> String {
        let keys = path.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
        return keys.isEmpty ? reason : "\(keys.drop { $0 == "." }): \(reason)"
    }
}

// MARK: - The line

/// A line as JSON.
private enum Line: Decodable {
    case messages([Message])
    case document([Item])

    private enum CodingKeys: String, CodingKey {
        case messages
        case document
        case image
        case text
    }

    init(from decoder: any Decoder) throws {
        if (try? decoder.unkeyedContainer()) != nil {
            self = .document(try decoder.singleValueContainer().decode([Item].self))
            return
        }
        let object = try decoder.container(keyedBy: CodingKeys.self)
        if object.contains(.messages) {
            self = .messages(try object.decode([Message].self, forKey: .messages))
        } else if object.contains(.document) {
            self = .document(try object.decode([Item].self, forKey: .document))
        } else if object.contains(.image) {
            let place = try object.decode(String.self, forKey: .image)
            self = .document([.image(place), .text(try object.decode(String.self, forKey: .text))])
        } else if object.contains(.text) {
            self = .document([.text(try object.decode(String.self, forKey: .text))])
        } else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "has none of \"messages\", \"document\", \"image\" and \"text\""
                )
            )
        }
    }
}

/// A turn.
private struct Message: Decodable {
    let role: ChatMessage.Role
    let content: [Item]

    private enum CodingKeys: String, CodingKey {
        case role
        case content
    }

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: CodingKeys.self)
        role = try object.decode(ChatMessage.Role.self, forKey: .role)
        if let text = try? object.decode(String.self, forKey: .content) {
            content = [.text(text)]
        } else {
            content = try object.decode([Item].self, forKey: .content)
        }
    }
}

/// Text or a picture: a string, `{"text": …}`, `{"image": …}`, with `"type"` or without; for pictures also `"url"` and
/// `"path"`, as transformers' chat templates have them.
private enum Item: Decodable {
    case text(String)
    case image(String)

    private enum CodingKeys: String, CodingKey {
        case type
        case text
        case image
        case url
        case path
    }

    init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            self = .text(text)
            return
        }
        let object = try decoder.container(keyedBy: CodingKeys.self)
        let type = try object.decodeIfPresent(String.self, forKey: .type)
        guard type == nil || type == "text" || type == "image" else {
            throw DecodingError.dataCorruptedError(
                forKey: .type,
                in: object,
                debugDescription: "is \"\(type ?? "")\", neither text nor image"
            )
        }
        if type != "image", object.contains(.text) {
            self = .text(try object.decode(String.self, forKey: .text))
            return
        }
        for key in [CodingKeys.image, .url, .path] where object.contains(key) {
            self = .image(try object.decode(String.self, forKey: key))
            return
        }
        throw DecodingError.dataCorrupted(
            .init(codingPath: decoder.codingPath, debugDescription: "is neither text nor image")
        )
    }
}
