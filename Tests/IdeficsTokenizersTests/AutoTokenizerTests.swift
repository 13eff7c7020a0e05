// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import IdeficsTokenizers
import Testing

@Suite struct AutoTokenizerTests {
    /// Runs `body` in a new folder and removes it afterwards.
    private func inFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tokenizer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    @Test func picksJSONThenModel() throws {
        try inFolder { folder in
            let missing = #expect(throws: TokenizerError.self) { try AutoTokenizer.from(directory: folder) }
            #expect(missing == .missingFile(directory: folder.path))
            let source = Fixtures.url("processor/tokenizer-tiny")
            for file in ["tokenizer.model", "tokenizer_config.json"] {
                try FileManager.default.copyItem(at: source.appending(path: file), to: folder.appending(path: file))
            }
            #expect(try AutoTokenizer.from(directory: folder).vocabSize == 503)
            try Data("{}".utf8).write(to: folder.appending(path: "tokenizer.json"))
            let broken = #expect(throws: TokenizerError.self) { try AutoTokenizer.from(directory: folder) }
            #expect(broken == .missingField(file: "tokenizer.json", field: "model"))
        }
    }

    /// Files of a clone without `git lfs`.
    @Test(arguments: ["tokenizer.json", "tokenizer.model", "tokenizer_config.json"])
    func pointersOfGitLFS(file: String) throws {
        try inFolder { folder in
            let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1843612\n"
            try Data(pointer.utf8).write(to: folder.appending(path: file))
            let error = #expect(throws: TokenizerError.self) { try AutoTokenizer.from(directory: folder) }
            #expect("\(String(describing: error))".contains("git lfs pull"))
        }
    }

    @Test func chatTemplateFile() throws {
        try inFolder { folder in
            let source = Fixtures.url("tokenizer-bytelevel/tokenizer.json")
            try FileManager.default.copyItem(at: source, to: folder.appending(path: "tokenizer.json"))
            try Data("{{ messages }}".utf8).write(to: folder.appending(path: "chat_template.jinja"))
            #expect(try AutoTokenizer.from(directory: folder).chatTemplate == "{{ messages }}")
        }
    }

    @Test func notARegularFile() throws {
        try inFolder { folder in
            try FileManager.default.createDirectory(
                at: folder.appending(path: "tokenizer.json"),
                withIntermediateDirectories: true
            )
            let error = #expect(throws: TokenizerError.self) { try AutoTokenizer.from(directory: folder) }
            #expect(error == .unreadableFile(file: "tokenizer.json", reason: "not a regular file"))
        }
    }

    @Test func errorsAreReadable() {
        let errors: [TokenizerError] = [
            .missingFile(directory: "d"), .unreadableFile(file: "f", reason: "r"),
            .malformedJSON(file: "f", line: 1, column: 1, reason: "r"),
            .malformedProtobuf(file: "f", offset: 1, reason: "r"),
            .missingField(file: "f", field: "x"), .invalidField(file: "f", field: "x", reason: "r"),
            .unsupported(file: "f", field: "x", name: "n"),
        ]
        #expect(Set(errors.map(\.description)).count == errors.count)
        #expect(errors.dropFirst().allSatisfy { $0.description.hasPrefix("f: ") })
    }
}
