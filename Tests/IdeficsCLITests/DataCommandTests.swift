// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// What `finetune` says about its data before the first step.
@Suite struct DataCommandTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.copyItem(
            at: Fixtures.url("processor/images/rgb.png"),
            to: folder.url.appending(path: "a.png")
        )
    }

    private func finetune(_ lines: [String], _ arguments: [String], input: String = "") throws -> ProductRun {
        try folder.write(Array(lines.joined(separator: "\n").utf8), "train.jsonl")
        return try idefics(
            ["finetune", "--model", tinyModel, "--per-device-train-batch-size", "1", "--logging-steps", "1"]
                + (arguments.contains("--data") ? [] : ["--data", folder.path("train.jsonl")]) + arguments,
            input: input
        )
    }

    private static let good = [
        #"{"messages":[{"role":"user","content":"<image>\nWhat?"},{"role":"assistant","content":"A cat."}],"images":["a.png"]}"#,
        #"[{"image":"a.png","text":"A cat."},{"text":"Another.","image":null}]"#, #"{"text":"A text."}"#,
    ]

    @Test func theCheckAlone() throws {
        let run = try finetune(Self.good, ["--check-only", "--json"])
        #expect(run.status == 0, "\(run.errors)")
        let result = try #require(try run.json() as? [String: Any])
        let file = try #require((result["files"] as? [[String: Any]])?.first)
        #expect(result["is_usable"] as? Bool == true)
        #expect(file["examples"] as? Int == 3 && file["images"] as? Int == 2)
        let text = try finetune(Self.good, ["--check-only"])
        #expect(text.status == 0 && text.output.contains("3 examples, 2 images"), "\(text.output)")
        #expect(!FileManager.default.fileExists(atPath: folder.path("run")))
    }

    @Test func badDataEndsBeforeTheFirstStep() throws {
        let bad = [
            #"{"messages":[{"role":"user","content":"<image>\nWhat?"},{"role":"assistant","content":"A cat."}]}"#,
            #"{"messages":[{"role":"user","content":"<image>"},{"role":"assistant","content":"A."}],"images":["a.png","a.png"]}"#,
            #"{"messages":[{"role":"user","content":"What?"}]}"#,
        ]
        let check = try finetune(Self.good + bad, ["--check-only"])
        #expect(check.status == 1)
        #expect(check.output.contains("1 bad, not an example: line 5") && check.errors.contains("line 5: "))
        let run = try finetune(Self.good + bad, ["--output", folder.path("run")])
        #expect(run.status == 1 && run.errors.contains("line 6: "), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.path("run/metrics.jsonl")))
    }

    /// Every image that was given is used; standard input can be read as often as a run needs.
    @Test func imagesOfAllLayoutsAreUsed() throws {
        let absolute = Self.good.map { $0.replacing("a.png", with: folder.path("a.png")) }
        let run = try finetune(
            [],
            ["--data", "-", "--output", folder.path("run"), "--num-train-epochs", "2"],
            input: absolute.joined(separator: "\n")
        )
        #expect(run.status == 0, "\(run.errors)")
        let metrics = try String(contentsOfFile: folder.path("run/metrics.jsonl"), encoding: .utf8)
        let last = try #require(metrics.split(separator: "\n").last)
        let line = try #require(try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
        #expect(line["images"] as? Int == 4 && line["step"] as? Int == 6)
    }

    @Test(arguments: [["--no-check", "--check-only"], ["--json", "--output", "run"], []])
    func flagsThatDoNotFit(arguments: [String]) throws {
        #expect(try finetune(Self.good, arguments).status == 64)
    }
}
