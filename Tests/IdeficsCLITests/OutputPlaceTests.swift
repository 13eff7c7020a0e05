// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// Where results go that are files: places that cannot be written to, and copies in the cache.
@Suite struct OutputPlaceTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A run whose result goes from one task to another.
    private struct Outcome: Sendable {
        let status: Int32
        let output: String
        let errors: String

        init(_ run: ProductRun) { (status, output, errors) = (run.status, run.output, run.errors) }
    }

    private var adapter: String { Fixtures.url("lora/qkv").path }
    private var model: String { Fixtures.url("f1-resampler-qk").path }

    private func commands(_ output: String) -> [[String]] {
        [
            ["quantize", "--model", model, "--format", "int8", "--output", output],
            ["merge", "--model", model, "--adapter", adapter, "--output", output],
            [
                "init", "--language-model", Fixtures.url("init/llama-gqa").path, "--vision-model",
                Fixtures.url("init/clip").path, "--output", output,
            ],
        ]
    }

    @Test(arguments: 0..<3) func placesThatCannotBeWrittenAreNamed(_ command: Int) throws {
        try folder.write([1, 2, 3], "file")
        try FileManager.default.createDirectory(
            at: folder.url.appending(path: "mine"),
            withIntermediateDirectories: true
        )
        try folder.write([1], "mine/photo.jpg")
        func fails(_ output: String, _ more: [String] = []) throws {
            let run = try idefics(commands(folder.path(output))[command] + more)
            #expect(run.status == 1 && run.output.isEmpty, "\(output)")
            #expect(
                run.errors.split(separator: "\n").count == 1 && run.errors.contains("/\(output.prefix(4))"),
                "\(run.errors)"
            )
        }
        try fails("file")
        try fails("file", ["--overwrite"])
        try fails("file/below")
        try fails("mine")
        try fails("mine", ["--overwrite"])
        #expect(try Data(contentsOf: folder.url.appending(path: "file")) == Data([1, 2, 3]))
        #expect(try folder.fileNames == ["file", "mine"])
        // Folders above it are made.
        #expect(try idefics(commands(folder.path("a/b/c"))[command]).status == 0)
        #expect(try idefics(commands(folder.path("a/b/c"))[command] + ["--overwrite"]).status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("a/b")) == ["c"])
    }

    @Test func theModelItselfIsNotReplaced() throws {
        let copy = folder.url.appending(path: "model")
        try FileManager.default.copyItem(at: Fixtures.url("f1-resampler-qk"), to: copy)
        let before = try FileManager.default.contentsOfDirectory(atPath: copy.path).sorted()
        let run = try idefics([
            "quantize", "--model", copy.path, "--format", "int8", "--output", copy.path, "--overwrite",
        ])
        #expect(run.status == 1 && run.errors.contains("choose another folder"), "\(run.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: copy.path).sorted() == before)
    }

    /// Two runs to one place: one is refused, none is spoilt.
    @Test func twoRunsDoNotShareAPlace() async throws {
        let output = folder.path("out")
        let commands = commands(output)[0]
        let runs = try await withThrowingTaskGroup(of: Outcome.self) { group in
            for _ in 0..<3 { group.addTask { try Outcome(idefics(commands)) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(runs.contains { $0.status == 0 })
        #expect(runs.allSatisfy { $0.status == 0 || $0.status == 1 && $0.errors.split(separator: "\n").count == 1 })
        #expect(try folder.fileNames == ["out"])
    }

    /// Several programs that need the same copy: one makes it, all use it.
    @Test func aCopyIsMadeByOneOfMany() async throws {
        let environment = ["IDEFICS_CACHE": folder.path("cache")]
        let runs = try await withThrowingTaskGroup(of: Outcome.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let arguments = [
                        "generate", "--model", tinyModel, "hi", "--max-new-tokens", "2", "--format", "int8",
                    ]
                    return try Outcome(idefics(arguments, environment: environment))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(runs.allSatisfy { $0.status == 0 }, "\(runs.map(\.errors))")
        #expect(Set(runs.map(\.output)).count == 1)

        let list = try idefics(["cache", "--json"], environment: environment).json() as? [String: Any]
        let copies = list?["copies"] as? [[String: Any]]
        #expect(copies?.count == 1)
        #expect(copies?.first?["source"] as? String == tinyModel && copies?.first?["is_current"] as? Bool == true)
        // It can be used again, so it stays; and nobody is there to be asked.
        #expect(
            try idefics(["cache", "prune", "--yes"], environment: environment).errors.contains("nothing to remove")
        )
        #expect(try idefics(["cache", "prune", "--all"], environment: environment).errors.contains("--yes"))
        let dry = try idefics(["cache", "prune", "--all", "--dry-run"], environment: environment)
        #expect(dry.status == 0 && dry.output.contains("int8"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("cache/quantized")).count == 2)
        #expect(try idefics(["cache", "prune", "--older-than", "1", "--yes"], environment: environment).output.isEmpty)
        #expect(try idefics(["cache", "prune", "--all", "--yes"], environment: environment).status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("cache/quantized")).isEmpty)
    }
}
