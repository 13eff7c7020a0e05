// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsFoundation

/// An object of a data file: null counts as absent, and what nobody read is told at the end.
struct LooseObject {
    static let unknownKey = "is no key that is used; leave it out, or name it in data.ignoredKeys"

    private let container: KeyedDecodingContainer<JSONKey>
    private let ignoredKeys: [String]

    init(_ decoder: any Decoder, ignoredKeys: [String]) throws {
        container = try decoder.container(keyedBy: JSONKey.self)
        self.ignoredKeys = ignoredKeys
    }

    /// Whether there is a value for `key`, which null is not, nor one to be ignored.
    func has(_ key: String) -> Bool {
        let coding = JSONKey(key)
        return !ignoredKeys.contains(key) && container.contains(coding)
            && (try? container.decodeNil(forKey: coding)) == false
    }

    /// The value of `key`; nil when there is none.
    func decode<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value? {
        has(key) ? try container.decode(type, forKey: JSONKey(key)) : nil
    }

    /// The value of `key`, which must be there.
    func required<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value {
        guard let value = try decode(type, key) else { throw problem(key, "is missing") }
        return value
    }

    /// A complaint about `key`, or about the object.
    func problem(_ key: String?, _ reason: String) -> DecodingError {
        let path = container.codingPath + (key.map { [JSONKey($0)] } ?? [])
        return .dataCorrupted(.init(codingPath: path, debugDescription: reason))
    }

    // MARK: - Keys

    /// Keys with something in them that are neither `known` nor harmless, in order.
    func unknownKeys(besides known: [String]) -> [String] {
        container.allKeys.map(\.stringValue).sorted().filter { key in
            !known.contains(key) && !ExampleJSON.harmlessKeys.contains(key) && has(key) && !isEmpty(key)
        }
    }

    /// Refuses keys that are not known.
    func finish(knownKeys: [String]) throws {
        if let key = unknownKeys(besides: knownKeys).first { throw problem(key, Self.unknownKey) }
    }

    /// Whether the value of `key` says nothing.
    private func isEmpty(_ key: String) -> Bool {
        (try? container.decode(JSONLooseValue.self, forKey: JSONKey(key)).isEmpty) ?? false
    }

    /// Whether it has members, and all are null: how tables write an object that is not there.
    private var isNull: Bool { !container.allKeys.isEmpty && !container.allKeys.contains { has($0.stringValue) } }

    // MARK: - Pictures beside texts

    /// The places in `images`, or in `image`; nil when there is neither.
    func images() throws -> [String]? {
        if has("images"), has("image"), !isEmpty("images"), !isEmpty("image") {
            throw problem("image", "is there, and \"images\", too")
        }
        for key in ["images", "image"] where has(key) {
            if (try? container.nestedUnkeyedContainer(forKey: JSONKey(key))) != nil {
                let list = try required([Place?].self, key).compactMap { $0?.text }
                if list.contains(where: \.isEmpty) { throw problem(key, "has an element without a place") }
                if list.isEmpty, key == "images", has("image") { continue }
                return list
            }
            let place = try required(Place.self, key).text ?? ""
            return place.isEmpty ? [] : [place]
        }
        return nil
    }

    /// Texts and images of two lists of which each place has one, as OBELICS has them.
    func interleaved() throws -> [PromptItemJSON.Piece] {
        let texts = try required([String?].self, "texts")
        let images = try decode([Place?].self, "images")?.map { $0?.text } ?? texts.map { _ in nil }
        guard texts.count == images.count else {
            throw problem("texts", "has \(texts.count) elements, and images \(images.count)")
        }
        return try zip(texts, images).enumerated().flatMap { index, pair -> [PromptItemJSON.Piece] in
            switch pair {
            case (let text?, nil): return [.text(text)]
            case (nil, let image?): return [.image(image)]
            case (nil, nil): return []
            case (let text?, let image?):
                if text.isEmpty { return [.image(image)] }
                throw problem("texts", "[\(index)] is there, and images[\(index)], too")
            }
        }
    }

    /// A path, URL or `data:` URL; or an object with `path` or `url`, or with the file itself, in base64, as `bytes`.
    private struct Place: Decodable {
        /// Nil for an object of nulls.
        let text: String?

        init(from decoder: any Decoder) throws {
            if let text = try decoder.textIfString() {
                self.text = text
                return
            }
            let object = try LooseObject(decoder, ignoredKeys: [])
            if let bytes = try object.decode(String.self, "bytes") {
                // The path beside them is where they were, as in the library `datasets`.
                text = "data:;base64,\(bytes)"
                try object.finish(knownKeys: ["bytes", "path"])
                return
            }
            let keys = ["path", "url", "image", "image_url"].filter(object.has)
            guard let key = keys.first else {
                text = nil
                if object.isNull { return }
                throw object.problem(nil, "has neither \"path\" nor \"url\" nor \"bytes\"")
            }
            text = try object.required(String.self, key)
            try object.finish(knownKeys: [key])
        }
    }
}
