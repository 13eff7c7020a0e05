// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsImages

/// Prompts as JSON lines: each line a list of items, `"text"` or `{"image": "path-or-url"}`.
enum PromptFile {
    /// One item of a line.
    private enum Item: Decodable {
        case text(String)
        case image(String)

        private enum CodingKeys: String, CodingKey {
            case image
            case text
        }

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                self = .text(text)
                return
            }
            let object = try decoder.container(keyedBy: CodingKeys.self)
            if let text = try object.decodeIfPresent(String.self, forKey: .text) {
                self = .text(text)
            } else {
                self = .image(try object.decode(String.self, forKey: .image))
            }
        }
    }

    /// The prompts of the file at `path` (`-` for standard input); relative image paths start at the file's folder.
    static func read(_ path: String) throws -> [Prompt] {
        let data: Data
        do {
            data =
                path == "-"
                ? FileHandle.standardInput.readDataToEndOfFile() : try Data(contentsOf: URL(filePath: path))
        } catch {
            throw CommandError("\(path): cannot be read: \(error.localizedDescription)")
        }
        let folder = URL(filePath: path == "-" ? "." : path).deletingLastPathComponent()
        var prompts: [Prompt] = []
        for (number, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard !line.allSatisfy({ [9, 13, 32].contains($0) }) else { continue }
            guard let items = try? JSONDecoder().decode([Item].self, from: Data(line)) else {
                throw CommandError(
                    "\(path), line \(number + 1): not a list of \"text\" and {\"image\": \"path-or-url\"}"
                )
            }
            prompts.append(Prompt(items.map { promptItem($0, folder: folder) }))
        }
        guard !prompts.isEmpty else { throw CommandError("\(path): holds no prompt") }
        return prompts
    }

    private static func promptItem(_ item: Item, folder: URL) -> Prompt.Item {
        switch item {
        case .text(let text):
            // A text that is a URL is an image, as in transformers.
            return Prompt(strings: [text]).items[0]
        case .image(let place):
            let source = ImageSource(place)
            guard case .file = source, !place.hasPrefix("/"), !place.lowercased().hasPrefix("file:") else {
                return .image(source)
            }
            return .image(.file(folder.appending(path: place)))
        }
    }
}

/// A failure told in one line.
struct CommandError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
