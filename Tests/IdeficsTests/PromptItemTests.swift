// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation
import IdeficsImages
import Testing

/// Items of prompts and training lines as JSON.
@Suite struct PromptItemTests {
    private func pieces(_ json: String) throws -> [PromptItemJSON.Piece] {
        try JSONReader.decode([PromptItemJSON].self, from: Data("[\(json)]".utf8), file: "p.jsonl").flatMap(\.pieces)
    }

    @Test(arguments: [
        (#""hi""#, [PromptItemJSON.Piece.text("hi")]),
        (#"{"text": "hi"}"#, [.text("hi")]),
        (#"{"type": "text", "text": ""}"#, [.text("")]),
        (#"{"image": "a.jpg"}"#, [.image("a.jpg")]),
        (#"{"type": "image", "url": "https://a.b/c"}"#, [.image("https://a.b/c")]),
        (#"{"type": "image", "path": "/a"}"#, [.image("/a")]),
        (#"{"type": "image_url", "image_url": {"url": "data:,x", "detail": "low"}}"#, [.image("data:,x")]),
        (#"{"image_url": "a"}"#, [.image("a")]),
        (#"{"image": {"path": "a.jpg", "bytes": null}}"#, [.image("a.jpg")]),
        // Both are the image, then the text, whatever their order and the type.
        (#"{"text": "A cat.", "image": "a.jpg"}"#, [.image("a.jpg"), .text("A cat.")]),
        (#"{"type": "image", "image": "a.jpg", "text": "A cat."}"#, [.image("a.jpg"), .text("A cat.")]),
        (#"{"type": "text", "image": "a.jpg", "text": "A cat."}"#, [.image("a.jpg"), .text("A cat.")]),
        (#"{"type": "image"}"#, [.placeholder]),
        // What tables put where nothing is.
        (#"{"type": "text", "text": "hi", "image": null, "url": null, "whatever": null}"#, [.text("hi")]),
        (#"{"type": "image", "text": null, "image": "a"}"#, [.image("a")]),
        (#"{"type": null, "text": null, "image": "a"}"#, [.image("a")]),
        (#"{"type": "text", "text": "hi", "image": ""}"#, [.text("hi")]),
        (#"{"type": "image", "text": "", "image": "a"}"#, [.image("a")]),
        (#"{"image": {"url": null, "path": null}, "text": "hi"}"#, [.text("hi")]),
        (#"{"type": "text", "text": "hi", "image_url": {"url": null}}"#, [.text("hi")]),
        (#"{"image": {"path": null, "bytes": null}, "url": "a"}"#, [.image("a")]),
        (#"{"type": "image", "image": {"path": null, "bytes": null}}"#, [.placeholder]),
        (#"{"text": "hi", "video": "", "audio": [], "file": {"id": null, "parts": [null]}}"#, [.text("hi")]),
        (#"{"image": {"bytes": "AAAA", "path": null}}"#, [.image("data:;base64,AAAA")]),
        (#"{"image": {"bytes": "AAAA", "path": "a.png"}}"#, [.image("data:;base64,AAAA")]),
    ]) func itemsAsPeopleWriteThem(json: String, expected: [PromptItemJSON.Piece]) throws {
        #expect(try pieces(json) == expected)
    }

    @Test(arguments: [
        ("{}", "[0]"), ("3", "[0]"), ("null", "[0]"), (#"["hi"]"#, "[0]"), (#"{"type": "text"}"#, "[0].text"),
        (#"{"image": ""}"#, "[0].image"), (#"{"image": 3}"#, "[0].image"), (#"{"text": 3}"#, "[0].text"),
        (#"{"text": "hi", "images": ["a.jpg"]}"#, "[0].images"), (#"{"type": "video", "text": "hi"}"#, "[0].type"),
        (#"{"image": "a", "url": "b"}"#, "[0]"), (#"{"image": {}}"#, "[0].image"),
        (#"{"image": {"bytes": "AAAA", "url": "a"}}"#, "[0].image.bytes"), (#"{"text": null}"#, "[0]"),
        (#"{"image": {"url": null}}"#, "[0]"), (#"{"image": {"place": "a", "url": null}}"#, "[0].image.place"),
        (#"{"text": "hi", "audio": [null, 0]}"#, "[0].audio"), (#"{"images": []}"#, "[0].images"),
    ]) func nothingIsLeftOutWithoutAWord(json: String, path: String) {
        let error = #expect(throws: JSONError.self, "\(json)") { try pieces(json) }
        #expect(error?.path == path, "\(json): \(error.map(\.description) ?? "")")
    }

    /// Half a surrogate pair is said to be that, wherever a text may be.
    @Test(arguments: [
        (#""\ud800""#, "[0]"), (#"{"text": "\ud800"}"#, "[0].text"), (#"{"image": "\udfff"}"#, "[0].image"),
        (#"{"image": {"url": "\ud800x"}}"#, "[0].image.url"),
    ]) func textsThatAreNoneAreTold(json: String, path: String) {
        let error = #expect(throws: JSONError.self, "\(json)") { try pieces(json) }
        #expect(error?.path == path && error?.reason.contains("surrogate") == true, "\(String(describing: error))")
    }

    @Test func relativePathsStartAtTheFolder() {
        let folder = URL(filePath: "/data/set")
        func path(_ place: String) -> String? {
            guard case .image(.file(let url)) = Prompt.Item(.image(place), folder: folder) else { return nil }
            return url.path
        }
        #expect(path("a b%20.jpg") == "/data/set/a b%20.jpg")
        #expect(path("/a.jpg") == "/a.jpg")
        #expect(path("FILE:///x/a%20b.jpg") == "/x/a b.jpg")
        guard case .image(.url) = Prompt.Item(.image("HTTPS://a.b/c"), folder: folder) else {
            Issue.record("an address is no path")
            return
        }
    }

    @Test(arguments: [
        "https://a.b/c.png", "HTTPS://a.b/c.png", " Http://a.b/c.png ", "https://a.b/c.png\n",
    ]) func aTextThatIsAnAddressIsAnImage(text: String) {
        guard case .image(.url(let url)) = Prompt(strings: [text]).items[0] else {
            Issue.record("\(text) became text")
            return
        }
        #expect(url.absoluteString.lowercased().hasPrefix("http"))
        #expect(url.path == "/c.png")
    }

    @Test(arguments: ["https://", "https:/a", "see https://a.b/c", "https://a.b/c and d", "ftp://a.b/c", "https", ""])
    func otherTextStaysText(text: String) {
        guard case .text(text) = Prompt(strings: [text]).items[0] else {
            Issue.record("\(text) became an image")
            return
        }
    }
}
