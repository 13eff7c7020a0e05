// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// A run goes on when what it says cannot be written, and stops with a checkpoint when its terminal is gone.
@Suite struct TrainingOutputTests {
    func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let line = #"{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "there"}]}"#
        try folder.write(Array("\(line)\n\(line)\n".utf8), "train.jsonl")
        return folder
    }

    func finetune(_ script: String, in folder: TemporaryFolder) throws -> ProductRun {
        let command = "finetune=\"$program finetune --model $1 --data train.jsonl --output run\"; "
        return try ProductRun("idefics", shell: command + script, [tinyModel], workingDirectory: folder.url)
    }

    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")),
        arguments: ["2>/dev/full", ">/dev/full 2>&1", ">&- 2>&- <&-", ">/dev/full", "> >(true) 2>&1"]
    )
    func messagesThatCannotBeWrittenAreDropped(redirection: String) throws {
        let folder = try folder()
        let run = try finetune("$finetune \(redirection)", in: folder)
        #expect(run.status == 0 && !run.isSignalled, "\(run.status)")
        #expect(FileManager.default.fileExists(atPath: folder.path("run/model/config.json")))
        #expect(FileManager.default.fileExists(atPath: folder.path("run/metrics.jsonl")))
        if redirection == ">/dev/full" { #expect(run.errors.contains("warning: cannot write standard output")) }
    }

    /// SIGHUP as SIGTERM; where it is ignored it stays so.
    @Test func aTerminalThatIsGone() throws {
        let folder = try folder()
        let wait = "while [ ! -s run/metrics.jsonl ]; do sleep 0.1; done; kill -HUP $!; wait $!; echo status $?"
        let run = try finetune("$finetune --max-steps 1000000 2>err & \(wait)", in: folder)
        #expect(run.output == "status 0\n", "\(run.output)")
        let errors = try String(contentsOf: folder.url.appending(path: "err"), encoding: .utf8)
        #expect(errors.hasSuffix("stopped; go on with --resume\n"))
        #expect(try folder.fileNames.contains("run") && !errors.contains("Error"))
        let ignored = try self.folder()
        let whole = try finetune("trap '' HUP; $finetune --max-steps 40 2>err & \(wait)", in: ignored)
        #expect(whole.output.hasSuffix("run/model\nstatus 0\n"), "\(whole.output)")
    }
}
