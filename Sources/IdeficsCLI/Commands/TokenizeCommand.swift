// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
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
        var number = 0
        while let line = readLine(strippingNewline: true) {
            number += 1
            if decode {
                guard let ids = try? JSONDecoder().decode([Int].self, from: Data(line.utf8)) else {
                    throw CommandError("standard input, line \(number): not a JSON list of ids")
                }
                try Terminal.writeJSON(tokenizer.decode(tokenIds: ids, skipSpecialTokens: skipSpecialTokens))
            } else {
                try Terminal.writeJSON(tokenizer.encode(text: line, addSpecialTokens: addSpecialTokens))
            }
        }
    }
}
