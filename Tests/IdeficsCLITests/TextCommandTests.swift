// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// Commands that read texts, as editors and other systems write them.
@Suite struct TextCommandTests {
    private func shell(_ script: String) throws -> ProductRun {
        try ProductRun("idefics", shell: "model=$1; " + script, [tinyModel])
    }

    @Test func tokenizeReadsLinesOfAnySystem() throws {
        let plain = try idefics(["tokenize", "--model", tinyModel], input: "hi\n\nthere\n \n")
        #expect(plain.output.split(separator: "\n").count == 4)
        let other = try idefics(["tokenize", "--model", tinyModel], input: "\u{FEFF}hi\r\n\r\nthere\r\n \r\n")
        #expect(other.status == 0 && other.output == plain.output)
        let decoded = try idefics(["tokenize", "--model", tinyModel, "--decode"], input: "\u{FEFF}\(plain.output)")
        #expect(decoded.status == 0 && decoded.output.hasPrefix("\"hi\"\n\"\"\n"), "\(decoded.output)")
    }

    @Test func tokenizeTellsWhatItCannotRead() throws {
        let folder = try shell("$program tokenize --model $model < /")
        #expect(folder.status == 1 && folder.errors.contains("standard input") && folder.errors.contains("directory"))
        let text = try idefics(["tokenize", "--model", tinyModel, "--decode"], input: "[1]\n[1,]\n")
        #expect(text.status == 1 && text.errors.contains("standard input, line 2, column 4"), "\(text.errors)")
        let value = try idefics(["tokenize", "--model", tinyModel, "--decode"], input: "[1,\"a\"]\n")
        #expect(value.status == 1 && value.errors.contains("line 1: [1]: expected a whole number"), "\(value.errors)")
    }

    @Test func aByteOrderMarkIsNoText() throws {
        let command = "$program perplexity --model $model --json --per-token --text -"
        let plain = try shell("printf ' hi there' | \(command)").json() as? [String: Any]
        let marked = try shell("printf '\\xef\\xbb\\xbf hi there' | \(command)").json() as? [String: Any]
        let ids = try #require(plain?["token_ids"] as? [Int])
        #expect(marked?["token_ids"] as? [Int] == ids)
    }

    @Test func whatIsWrongWithIdsIsTold() throws {
        let run = try idefics(["generate", "--model", tinyModel, "hi", "--bad-words-ids", "[[1],[2,]]"])
        #expect(run.status == 64 && run.errors.contains("column 9"), "\(run.errors)")
    }

    @Test func theSystemMayBeginWithADash() throws {
        let run = try idefics(
            ["chat", "--model", tinyModel, "--system", "- be brief", "--max-new-tokens", "1", "--json"],
            input: "hi\n"
        )
        #expect(run.status == 0 && run.output.split(separator: "\n").count == 1, "\(run.errors)")
    }
}
