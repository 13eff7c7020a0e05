// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTestSupport
import IdeficsTokenizers
import IdeficsTraining
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Data files as other software writes them.
@Suite struct ExampleFileTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func file(_ text: String, _ config: DataConfig = DataConfig()) throws -> ExampleFile {
        try file(Array(text.utf8), config)
    }

    private func file(_ bytes: [UInt8], _ config: DataConfig = DataConfig()) throws -> ExampleFile {
        try folder.write(bytes, "data.jsonl")
        return try ExampleFile(path: folder.path("data.jsonl"), config: config)
    }

    private func texts(_ file: ExampleFile) throws -> [String] {
        try (0..<file.count).map { index in
            guard case .document(let items) = try file.example(index).content else { return "a conversation" }
            return items.map { $0.markedText?.plain ?? "[picture]" }.joined(separator: "|")
        }
    }

    private func error(_ text: String) -> TrainingError? {
        #expect(throws: TrainingError.self) { try file(text) }
    }

    @Test(arguments: [
        "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", "{\"text\":\"a\"}\n{\"text\":\"b\"}",
        "\u{FEFF}{\"text\":\"a\"}\r\n\r\n \t\r\n{\"text\":\"b\"}\r\n",
        "[\n  {\"text\": \"a\"},\n  {\"text\":\n \"b\"}\n]\n", "\u{FEFF}\n[{\"text\":\"a\"}\n,{\"text\":\"b\"}]",
    ])
    func textsOfOneFile(text: String) throws {
        #expect(try texts(file(text)) == ["a", "b"])
    }

    @Test func arraysOnOneLine() throws {
        // What only an example can be, and captioned pictures, are examples; parts of a document are one.
        let conversation = #"{"messages":[{"role":"user","content":"]}"},{"role":"assistant","content":"\"b[,"}]}"#
        #expect(try texts(file("[\(conversation), \(conversation)]")) == ["a conversation", "a conversation"])
        #expect(
            try texts(file(#"[{"image":"a.png","text":"x"},{"image":"b.png","text":"y"}]"#))
                == ["[picture]|x", "[picture]|y"]
        )
        #expect(try texts(file(#"["a",{"image":"a.png"},{"text":"b"}]"#)) == ["a|[picture]|b"])
        #expect(try texts(file("[\"a\"]\n[\"b\"]")) == ["a", "b"])
        let problem = error(#"[{"text":"a"},{"text":"b"}]"#)
        #expect(problem?.description.contains("line 1: a list of texts") == true, "\(String(describing: problem))")
    }

    @Test func elementsAreNamed() throws {
        let problem = error("[\n{\"text\":\"a\"},\n\n{\"tezt\":\"b\"}\n]")
        #expect(problem?.description.contains("line 4: element 2: ") == true, "\(String(describing: problem))")
    }

    @Test(arguments: [
        ([0x1F, 0x8B, 8, 0], "gzip"), (Array("PAR1....".utf8), "Parquet"), ([0xFF, 0xFE, 0x7B, 0], "UTF-16"),
        ([0x50, 0x4B, 3, 4], "zip archive"), ([], "no example"),
    ])
    func otherKindsOfFiles(bytes: [UInt8], part: String) {
        let error = #expect(throws: TrainingError.self) { try file(bytes) }
        #expect(error?.description.contains(part) == true, "\(String(describing: error))")
    }

    @Test func bytesThatAreNoText() throws {
        let bytes = Array("{\"text\":\"a\"}\n{\"text\":\"".utf8) + [0xE9] + Array("\"}\n".utf8)
        let error = #expect(throws: TrainingError.self) { try file(bytes) }
        guard case .data(_, 2, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func folders() {
        let error = #expect(throws: TrainingError.self) { try ExampleFile(path: folder.url.path) }
        #expect(error?.description.contains("irectory") == true, "\(String(describing: error))")
    }

    /// A pipe can be read once; an example is read again and again.
    @Test func pipes() throws {
        let path = folder.path("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        let text = (0..<5000).map { "{\"text\":\"line \($0)\"}\n" }.joined()
        Thread.detachNewThread {
            let handle = FileHandle(forWritingAtPath: path)
            try? handle?.write(contentsOf: Data(text.utf8))
            try? handle?.close()
        }
        let file = try ExampleFile(path: path)
        #expect(file.count == 5000 && file.byteCount == text.utf8.count)
        for _ in 0..<2 { #expect(try file.line(4999) == 5000 && texts(file).last == "line 4999") }
        #expect(try texts(file) == texts(self.file(text)))
    }

    /// A file that is cut short while a run goes on is an error.
    @Test func filesThatShrink() throws {
        let file = try file("{\"text\":\"a\"}\n{\"text\":\"b\"}\n")
        let handle = try FileHandle(forWritingTo: URL(filePath: folder.path("data.jsonl")))
        try handle.truncate(atOffset: 14)
        try handle.close()
        #expect(throws: Never.self) { try file.example(0) }
        let error = #expect(throws: TrainingError.self) { try file.example(1) }
        #expect(error?.description.contains("cut short") == true, "\(String(describing: error))")
    }
}
