// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import IdeficsFoundation
import IdeficsImages

/// One item of a line of prompts, or of a turn or document to learn from, as JSON.
///
/// A string is text. An object has `"text"`, an image, or both, which is the image and then the text. The image is one of
/// `"image"`, `"url"`, `"path"` and `"image_url"`, each a path or URL, or an object with `"url"` or `"path"` (OpenAI's
/// API and `datasets` write them so). `"type"` may say what it is: `text`, `image` or `image_url`.
///
/// Keys that are null count as absent, as tables fill them in. Keys it does not know are refused: nothing that is given
/// is left out without a word.
package struct PromptItemJSON: Decodable, Sendable, Equatable {
    /// What an item says or shows.
    package enum Piece: Sendable, Equatable {
        /// Text as it stands.
        case text(String)
        /// An image at a path or URL.
        case image(String)
        /// `{"type": "image"}` without a place: an image that is given elsewhere.
        case placeholder
    }

    /// What it says and shows, in order: never empty.
    package let pieces: [Piece]

    private static let imageKeys = ["image", "url", "path", "image_url"]

    package init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
            pieces = [.text(text)]
            return
        }
        let object = try JSONObject(decoder, isCalled: "an item", knownKeys: Self.imageKeys + ["type", "text"])
        let type = try object.decode(String.self, "type")
        guard type == nil || ["text", "image", "image_url"].contains(type) else {
            throw object.problem("type", "is \"\(type ?? "")\", neither text nor image nor image_url")
        }
        let text = try object.decode(String.self, "text")
        var keys = Self.imageKeys.filter(object.has)
        // Tables of strings fill what is not there with empty ones.
        if type == "text" { keys = try keys.filter { try object.decode(Place.self, $0)?.text != "" } }
        guard keys.count <= 1 else {
            throw object.problem(nil, "names an image twice, as \"\(keys[0])\" and \"\(keys[1])\"")
        }
        var pieces: [Piece] = []
        if let key = keys.first, let place = try object.decode(Place.self, key)?.text {
            guard !place.isEmpty else { throw object.problem(key, "is empty") }
            pieces.append(.image(place))
        } else if let type, type != "text" {
            pieces.append(.placeholder)
        }
        // An empty text beside an image says nothing.
        if let text, pieces.isEmpty || !text.isEmpty { pieces.append(.text(text)) }
        guard !pieces.isEmpty else {
            throw object.problem(
                type == "text" ? "text" : nil,
                type == "text" ? "is missing" : "is neither text nor image"
            )
        }
        self.pieces = pieces
    }

    /// A path or URL: as it stands, or as `{"url": …}` or `{"path": …}`.
    private struct Place: Decodable {
        let text: String

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                self.text = text
                return
            }
            // OpenAI's "detail" asks for a resolution, of which these models have one.
            let object = try JSONObject(decoder, isCalled: "an image", knownKeys: ["url", "path", "detail"])
            guard let text = try object.decode(String.self, "url") ?? object.decode(String.self, "path") else {
                throw object.problem(nil, "has neither \"url\" nor \"path\"")
            }
            self.text = text
        }
    }
}

extension Prompt.Item {
    /// The item that `piece` is; nil for a placeholder.
    ///
    /// - Parameters:
    ///   - piece: text, or the place of an image.
    ///   - folder: where relative paths begin.
    package init?(_ piece: PromptItemJSON.Piece, folder: URL) {
        switch piece {
        case .text(let text): self = .text(text)
        case .image(let place): self = .image(ImageSource(place, relativeTo: folder))
        case .placeholder: return nil
        }
    }
}
