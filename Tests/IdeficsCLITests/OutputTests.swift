// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// What happens when standard output or error cannot be written, is closed, or is a terminal.
@Suite struct OutputTests {
    /// Runs `script` in a shell, where `$program` is the program and `$model` the tiny model.
    func shell(_ script: String, in folder: TemporaryFolder? = nil) throws -> ProductRun {
        try ProductRun("idefics", shell: "model=$1; " + script, [tinyModel], workingDirectory: folder?.url)
    }

    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")),
        arguments: [
            "generate --model $model hi --max-new-tokens 2", "generate --model $model hi --max-new-tokens 2 --json",
            "generate --model $model hi there --max-new-tokens 2 --num-return-sequences 2 --num-beams 2",
            "score --model $model hi --continuation there", "inspect --model $model", "inspect --model $model --json",
            "tokenize --model $model <<< hi", "chat --model $model --max-new-tokens 2 <<< hi",
            "chat --model $model --max-new-tokens 2 --json <<< hi", "perplexity --model $model --text - <<< 'one two'",
            "download --model $model", "--help", "help chat", "--version", "generate --help",
            "--generate-completion-script bash",
        ]
    )
    func resultsOnAFullDisk(command: String) throws {
        for (redirection, reason) in [
            (">/dev/full", "No space left on device"), (">&-", "Bad file descriptor"),
        ] {
            // Redirections are read from left to right: this one may follow those of the command.
            let run = try shell("$program \(command) \(redirection)")
            #expect(run.status == 1 && !run.isSignalled, "\(command) \(redirection): \(run.status) \(run.errors)")
            #expect(run.errors.hasSuffix("Error: cannot write standard output: \(reason)\n"), "\(run.errors)")
        }
    }

    @Test func readersThatAreGoneNeedNoMessage() throws {
        for command in [
            "inspect --model $model --tensors", "generate --model $model hi --max-new-tokens 2 2>/dev/null",
        ] {
            // The reader ends before the program begins.
            let run = try shell("(sleep 0.3; $program \(command); echo status $? >&2) | true")
            #expect(run.errors == "status 1\n")
        }
    }

    @Test func aFileThatMayNotGrow() throws {
        let folder = try TemporaryFolder()
        let run = try shell("ulimit -f 1; $program inspect --model $model --tensors > out", in: folder)
        #expect(run.status == 1 && run.errors.contains("File too large"), "\(run.status) \(run.errors)")
    }

    @Test func messagesThatCannotBeWrittenAreDropped() throws {
        let plain = try idefics(["generate", "--model", tinyModel, "hi", "--max-new-tokens", "2"])
        for redirection in ["2>/dev/full", "2>&-", "2> >(true)"] {
            let run = try shell("$program generate --model $model hi --max-new-tokens 2 \(redirection)")
            #expect(run.status == 0 && run.output == plain.output, "\(redirection): \(run.status)")
        }
    }

    /// A file that is opened must not get the number of a closed stream.
    @Test func closedStreamsStayEmpty() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: picture("rgb.png"), toPath: folder.path("a.png"))
        let command = "$program generate --model $model --image a.png hi --max-new-tokens 2"
        let run = try shell("\(command) <&- 2>&-; \(command) <&- >&- 2>&-; echo \" $?\"", in: folder)
        #expect(run.output.hasSuffix("\n 1\n"), "\(run.output)")
        #expect(
            try Data(contentsOf: folder.url.appending(path: "a.png"))
                == Data(contentsOf: URL(filePath: picture("rgb.png")))
        )
        #expect(try shell("$program chat --model $model <&-").status == 0)
    }

    /// Pipes that do not block: another program may have set them so.
    @Test func slowReadersAreWaitedFor() throws {
        let folder = try TemporaryFolder()
        let lines = String(repeating: String(repeating: "word ", count: 400) + "\n", count: 100)
        try Data(lines.utf8).write(to: folder.url.appending(path: "lines"))
        let command = "$program tokenize --model $model < lines"
        let whole = try shell("\(command) | wc -c", in: folder).output.filter(\.isNumber)
        try #require(Int(whole) ?? 0 > 1 << 17)
        let pipe = Pipe()
        let flags = fcntl(pipe.fileHandleForWriting.fileDescriptor, F_GETFL)
        #expect(fcntl(pipe.fileHandleForWriting.fileDescriptor, F_SETFL, flags | O_NONBLOCK) == 0)
        let process = Process()
        process.executableURL = ProductRun.url(of: "idefics")
        process.arguments = ["tokenize", "--model", tinyModel]
        process.standardInput = try FileHandle(forReadingFrom: folder.url.appending(path: "lines"))
        process.standardOutput = pipe
        try process.run()
        usleep(300_000)
        let found = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && "\(found.count)" == whole)
    }

    // MARK: - Control characters

    @Test func namesInFilesAndArgumentsDoNotSteerTheTerminal() throws {
        for run in [
            try idefics(["inspect", "--model", "./no\u{1B}[2Jsuch"]), try idefics(["no\u{1B}[2Jcommand"]),
            try idefics(["inspect", "--model", tinyModel, "--no\u{1B}[2Jflag"]),
            try idefics(["generate", "--model", tinyModel, "--image", "no\u{1B}[2J.png", "hi"]),
            try idefics(["chat", "--model", tinyModel], input: "/im\u{1B}[2J\n"),
        ] {
            #expect(!run.errors.isEmpty && !run.errors.contains("\u{1B}") && run.errors.contains("\\u{1b}[2J"))
        }
    }

    /// `script` runs a command on a terminal of its own.
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/bin/script")))
    func resultsDoNotSteerTheTerminal() throws {
        let command = #"$program score --model "$model" hi --continuation "$text""#
        for (options, raw, shown) in [
            ("", "a\u{1B}[2J\tb\u{9B}\n", "a\\u{1b}[2J\tb\\u{9b}\r\n"),
            (" --json", #""a\u001b[2J\tb\u009b""#, #""a\u001b[2J\tb\u009b""#),
        ] {
            let script = "export model=$1 text=$(printf 'a\\033[2J\\tb\\302\\233'); "
            let piped = try ProductRun("idefics", shell: script + command + options, [tinyModel])
            #expect(piped.output.contains(raw), "\(piped.output.debugDescription) \(piped.errors)")
            let onTerminal = try ProductRun(
                "idefics",
                shell: "\(script) SHELL=/bin/sh script -qec '\(command)\(options) 2>/dev/null' /dev/null",
                [tinyModel]
            )
            let found = onTerminal.output
            #expect(found.contains(shown) && !found.contains("\u{1B}"), "\(found.debugDescription)")
        }
    }
}
