// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTokenizers

/// `idefics tokenize`.
struct TokenizeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Turn lines of text into token ids, or back.",
        discussion: "Reads lines from standard input; writes one JSON list of ids a line (--decode: the other way)."
    )

    @OptionGroup var modelOptions: ModelOptions

    @Flag(help: "Put the model's special tokens around each line, as transformers does by default.")
    var addSpecialTokens = false

    @Flag(help: "Read JSON lists of ids and write text as JSON strings.")
    var decode = false

    @Flag(help: "With --decode: leave special tokens out.")
    var skipSpecialTokens = false

    func run() async throws {
        let tokenizer = try ModelFiles(directory: try await modelOptions.directory()).tokenizer()
        let stream = try ByteStream(path: "-")
        let lines = LineReader(stream, keepsBlankLines: true)
        while let line = try lines.next() {
            if decode {
                do {
                    let ids = try JSONReader.decode([Int].self, from: line.text, file: stream.name)
                    try Terminal.writeJSON(tokenizer.decode(tokenIds: ids, skipSpecialTokens: skipSpecialTokens))
                } catch let error as JSONError {
                    throw CommandError(error, line: line.number, of: stream.name)
                }
            } else {
                // Lines end as they do on Windows, too.
                let hasReturn = lines.isLineWhole && line.text.last == UInt8(ascii: "\r")
                let text = String(decoding: hasReturn ? line.text.dropLast() : line.text, as: UTF8.self)
                try Terminal.writeJSON(tokenizer.encode(text: text, addSpecialTokens: addSpecialTokens))
            }
        }
    }
}
