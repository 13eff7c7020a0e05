// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// Files of tensors replace nothing that is read.
@Suite struct OutputFileTests {
    private let folder: TemporaryFolder
    private var model: String { folder.path("model") }

    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: tinyModel, toPath: folder.path("model"))
        try FileManager.default.copyItem(atPath: picture("rgb.png"), toPath: folder.path("a.png"))
        try folder.write(Array("[\"hi\", {\"image\": \"a.png\"}]\n".utf8), "p.jsonl")
    }

    private func bytes(_ name: String) throws -> Data { try Data(contentsOf: folder.url.appending(path: name)) }

    private func process(_ output: String, input: String = "p.jsonl") throws -> ProductRun {
        try idefics([
            "process", "--model", model, "--prompts", folder.path(input), "--output", folder.path(output),
        ])
    }

    private func forward(_ output: String, model: String? = nil) throws -> ProductRun {
        try idefics([
            "forward", "--model", model ?? self.model, "--inputs", folder.path("in.st"), "--output",
            folder.path(output),
        ])
    }

    @Test func whatIsReadStays() throws {
        for (name, target) in [("link.png", "a.png"), ("weights", "model/model.safetensors"), ("new", "model/new")] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path(name),
                withDestinationPath: target
            )
        }
        try FileManager.default.linkItem(atPath: folder.path("model/config.json"), toPath: folder.path("hard.json"))
        #expect(try process("in.st").status == 0)
        let names = ["p.jsonl", "a.png", "in.st", "model/config.json", "model/model.safetensors"]
        let before = try names.map(bytes)
        let files = try folder.fileNames
        for output in ["p.jsonl", "a.png", "link.png", "model/config.json", "hard.json", "weights", "new", "model/x"] {
            let run = try process(output)
            #expect(run.status == 1 && run.errors.contains("choose another place"), "\(output): \(run.errors)")
        }
        for output in ["in.st", "model/model.safetensors", "weights", "hard.json", "model/x"] {
            let run = try forward(output)
            #expect(run.status == 1 && run.errors.contains("choose another place"), "\(output): \(run.errors)")
        }
        let piped = try ProductRun(
            "idefics",
            shell: "$program process --model \"$1\" --prompts - --output \"$2\" < \"$2\"",
            [model, folder.path("p.jsonl")]
        )
        #expect(piped.status == 1 && piped.errors.contains("choose another place"), "\(piped.errors)")
        #expect(try names.map(bytes) == before)
        #expect(try folder.fileNames == files)
    }

    /// As in the hub's cache: the model's files are links to where they lie.
    @Test func filesBehindLinksStay() throws {
        try FileManager.default.moveItem(
            atPath: folder.path("model/model.safetensors"),
            toPath: folder.path("blob")
        )
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("model/model.safetensors"),
            withDestinationPath: "../blob"
        )
        let before = try bytes("blob")
        #expect(try process("in.st").status == 0)
        #expect(try forward("blob").status == 1)
        #expect(try bytes("blob") == before)
    }

    /// What a link leads to is written, and the link stays.
    @Test func linksAreWrittenThrough() throws {
        try FileManager.default.createDirectory(atPath: folder.path("results"), withIntermediateDirectories: false)
        for (name, target) in [("first", "results/first.st"), ("second", "first")] {
            try FileManager.default.createSymbolicLink(atPath: folder.path(name), withDestinationPath: target)
        }
        #expect(try process("direct.st").status == 0)
        for output in ["second", "first"] {
            #expect(try process(output).status == 0)
            #expect(try bytes("results/first.st") == bytes("direct.st"))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("second")) == "first")
            #expect(
                try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("first")) == "results/first.st"
            )
            try folder.write([], "results/first.st")
        }
    }
}
