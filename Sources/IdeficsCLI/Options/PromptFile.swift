// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsFoundation

/// Prompts as JSON lines, read one after the other: each line is a list of items, or a single one.
///
/// An item is what `PromptItemJSON` reads: `"text"`, `{"image": "path-or-url"}`, `{"text": …}`. A text that is a URL is an
/// image, as in transformers.
final class PromptFile {
    /// A prompt and the line it is from, counted from 1.
    struct Line {
        let number: Int
        let prompt: Prompt
    }

    private let stream: ByteStream
    private let lines: LineReader
    private var isEmpty = true

    /// Opens the file or pipe at `path`, `-` for standard input.
    ///
    /// Relative image paths start at the file's folder; those from pipes and standard input at the working directory.
    init(_ path: String) throws {
        stream = try ByteStream(path: path)
        lines = LineReader(stream)
    }

    /// Bytes read so far and in all; nil where that is not known.
    var progress: (completed: Int64, total: Int64)? {
        stream.byteCount.map { (lines.byteCount, max($0, lines.byteCount)) }
    }

    /// The next prompt; nil at the end.
    ///
    /// - Throws: what names file and line.
    func next() throws -> Line? {
        guard let (number, text) = try lines.next() else {
            guard !isEmpty else { throw CommandError("\(stream.name): holds no prompt") }
            return nil
        }
        isEmpty = false
        do {
            let line = try JSONReader.decode(PromptLine.self, from: text, file: stream.path)
            return Line(number: number, prompt: Prompt(try items(line)))
        } catch let error as JSONError {
            throw CommandError(error, line: number, of: stream.name)
        }
    }

    /// What `body` makes of the prompt of `line`; errors name file and line.
    func naming<Result>(_ line: Line, _ body: (Prompt) async throws -> Result) async throws -> Result {
        do {
            return try await body(line.prompt)
        } catch let error as IdeficsError {
            throw self.error(error, in: [line])
        } catch let error as CancellationError {
            throw error
        } catch {
            throw CommandError("\(stream.name), line \(line.number): \(error)")
        }
    }

    /// `error`, which prompts of `lines` caused, with the place in the file.
    func error(_ error: IdeficsError, in lines: [Line]) -> CommandError {
        if case .prompt(let index, _, let reason) = error, lines.indices.contains(index) {
            return CommandError("\(stream.name), line \(lines[index].number): \(reason)")
        }
        let numbers = [lines.first, lines.last].compactMap { $0.map { "\($0.number)" } }
        return CommandError("\(stream.name), lines \(numbers.joined(separator: " to ")): \(error)")
    }

    /// All prompts, for those who need them together.
    func all() throws -> [Prompt] {
        var prompts: [Prompt] = []
        while let line = try next() { prompts.append(line.prompt) }
        return prompts
    }

    private func items(_ line: PromptLine) throws -> [Prompt.Item] {
        try line.items.enumerated().flatMap { index, item in
            try item.pieces.map { piece in
                if case .text(let text) = piece { return Prompt(strings: [text]).items[0] }
                guard let item = Prompt.Item(piece, folder: stream.folder) else {
                    throw JSONError(file: stream.path, path: "[\(index)].image", reason: "is missing")
                }
                return item
            }
        }
    }
}

/// A list of items, or one.
private struct PromptLine: Decodable {
    let items: [PromptItemJSON]

    init(from decoder: any Decoder) throws {
        let isList = (try? decoder.unkeyedContainer()) != nil
        let value = try decoder.singleValueContainer()
        items = isList ? try value.decode([PromptItemJSON].self) : [try value.decode(PromptItemJSON.self)]
    }
}

/// A failure told in one line.
struct CommandError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// What is wrong with line `number` of `name`, which a reader of JSON was given alone: its own line says nothing.
    init(_ error: JSONError, line number: Int, of name: String) {
        let column = error.column.map { ", column \($0): not valid JSON" }
        let place = error.path.isEmpty ? "" : ": \(printable(error.path))"
        self.init("\(name), line \(number)\(column ?? place): \(printable(error.reason))")
    }
}
