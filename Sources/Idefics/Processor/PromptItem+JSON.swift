// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Foundation
import IdeficsFoundation
import IdeficsImages

/// One item of a line of prompts, or of a turn or document to learn from, as JSON.
///
/// A string is text. An object has `"text"`, an image, or both, which is the image and then the text. The image is one of
/// `"image"`, `"url"`, `"path"` and `"image_url"`, each a path or URL, or an object with `"url"`, `"path"` or, in base64,
/// `"bytes"` (OpenAI's API and `datasets` write them so). `"type"` may say what it is: `text`, `image` or `image_url`.
///
/// Keys that are null count as absent, as tables fill them in, and so does an image that is an object of nulls. Keys it
/// does not know are refused if there is something in them: nothing that is given is left out without a word.
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
        if let text = try decoder.textIfString() {
            pieces = [.text(text)]
            return
        }
        let object = try JSONObject(decoder, isCalled: "an item", knownKeys: Self.imageKeys + ["type", "text"])
        let type = try object.decode(String.self, "type")
        guard type == nil || ["text", "image", "image_url"].contains(type) else {
            throw object.problem("type", "is \"\(type ?? "")\", neither text nor image nor image_url")
        }
        let text = try object.decode(String.self, "text")
        var places = try Self.imageKeys.compactMap { key in
            try object.decode(Place.self, key)?.text.map { (key: key, text: $0) }
        }
        // Tables of strings fill what is not there with empty ones.
        if type == "text" { places.removeAll { $0.text.isEmpty } }
        guard places.count <= 1 else {
            throw object.problem(nil, "names an image twice, as \"\(places[0].key)\" and \"\(places[1].key)\"")
        }
        var pieces: [Piece] = []
        if let place = places.first {
            guard !place.text.isEmpty else { throw object.problem(place.key, "is empty") }
            pieces.append(.image(place.text))
        } else if let type, type != "text" {
            pieces.append(.placeholder)
        }
        // An empty text beside an image says nothing.
        if let text, pieces.isEmpty || !text.isEmpty { pieces.append(.text(text)) }
        guard !pieces.isEmpty else {
            throw object.problem(
                type == "text" ? "text" : object.emptyKeys.first,
                type == "text" ? "is missing" : "is neither text nor image"
            )
        }
        self.pieces = pieces
    }

    /// A path or URL: as it stands, or as `{"url": …}` or `{"path": …}`; or the file itself as `{"bytes": …}`.
    private struct Place: Decodable {
        /// Nil for an object of nulls.
        let text: String?

        init(from decoder: any Decoder) throws {
            if let text = try decoder.textIfString() {
                self.text = text
                return
            }
            // OpenAI's "detail" asks for a resolution, of which these models have one.
            let object = try JSONObject(decoder, isCalled: "an image", knownKeys: ["url", "path", "bytes", "detail"])
            if let bytes = try object.decode(String.self, "bytes") {
                // The path beside them is where they were, as in the library `datasets`.
                guard !object.has("url") else { throw object.problem("bytes", "is there, and \"url\", too") }
                text = "data:;base64,\(bytes)"
                return
            }
            text = try object.decode(String.self, "url") ?? object.decode(String.self, "path")
            guard text != nil || object.isNull else {
                throw object.problem(nil, "has neither \"url\" nor \"path\" nor \"bytes\"")
            }
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
