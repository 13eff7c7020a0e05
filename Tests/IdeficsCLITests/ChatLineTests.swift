// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

/// Lines of `idefics chat` as people and other programs write them.
@Suite struct ChatLineTests {
    /// Prompt tokens of each answer, and what was said on standard error.
    func chat(_ input: [UInt8], in folder: TemporaryFolder) throws -> (tokens: [Int], errors: String) {
        try folder.write(input, "lines")
        let run = try ProductRun(
            "idefics",
            shell: "$program chat --model \"$1\" --max-new-tokens 2 --json < lines",
            [tinyModel],
            workingDirectory: folder.url
        )
        #expect(run.status == 0, "\(run.errors)")
        let tokens = try run.output.split(separator: "\n").map { line in
            let answer = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return try #require(answer?["prompt_token_count"] as? Int)
        }
        return (tokens, run.errors)
    }

    func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let picture = try Data(contentsOf: URL(filePath: picture("rgb.png")))
        for name in ["a.png", "my cat.png", "it's.png", "'quoted.png'", "end .png ", "b\\c.png", "x%20y.png"] {
            try picture.write(to: folder.url.appending(path: name))
        }
        return folder
    }

    @Test func endsOfLinesAndMarksAreNoPartOfATurn() throws {
        let folder = try folder()
        let plain = try chat(Array("/image a.png\nhi\n".utf8), in: folder).tokens
        #expect(plain.count == 1)
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        for input in [
            mark + Array("/image a.png\nhi\n".utf8), Array("/image a.png\r\nhi\r\n".utf8),
            Array("  \t/image   a.png \t\n\n \r\nhi".utf8), Array("/image\ta.png\nhi\n/quit \nno\n".utf8),
            Array("said\n /reset\t\n/image a.png\nhi\n".utf8.dropFirst(5)),
            mark + mark.prefix(0) + Array("\n/image a.png\nhi".utf8),
        ] {
            #expect(try chat(input, in: folder).tokens == plain, "\(String(decoding: input, as: UTF8.self))")
        }
        #expect(try chat(mark + Array("hi".utf8), in: folder).tokens == chat(Array("hi\r\n".utf8), in: folder).tokens)
        #expect(try chat([], in: folder).tokens.isEmpty)
    }

    @Test func pathsAsTerminalsDropThem() throws {
        let folder = try folder()
        let shown = try chat(Array("/image a.png\nhi\n".utf8), in: folder).tokens
        let path = folder.url.path
        for dropped in [
            "\(path)/my cat.png", "\(path)/my cat.png ", "'\(path)/my cat.png'", "'\(path)/my cat.png' ",
            "\"\(path)/my cat.png\"", "\(path)/my\\ cat.png ", "'\(path)/it'\\''s.png' ", "\(path)/it\\'s.png",
            "\"\(path)/it's.png\"", "file://\(path)/my%20cat.png", "file://localhost\(path)/my%20cat.png\r",
            "FILE:\(path)/a.png", "'file://\(path)/my%20cat.png'",
            // Names that really are so.
            "'quoted.png'", "end .png ", "b\\c.png", "x%20y.png", "./my cat.png", "it's.png",
        ] {
            let (tokens, errors) = try chat(Array("/image \(dropped)\nhi\n".utf8), in: folder)
            #expect(tokens == shown && !errors.contains("error"), "\(dropped): \(errors)")
        }
        let two = try chat(Array("/image a.png\n/image a.png\nhi\n".utf8), in: folder).tokens
        for dropped in ["'\(path)/my cat.png' '\(path)/it'\\''s.png' ", "a.png file://\(path)/my%20cat.png"] {
            #expect(try chat(Array("/image \(dropped)\nhi\n".utf8), in: folder).tokens == two, "\(dropped)")
        }
    }

    @Test func picturesThatCannotBeHadAreToldOnce() throws {
        let folder = try folder()
        try folder.write(Array("no picture".utf8), "bad.png")
        for place in [
            "missing.png", "bad.png", ".", "'missing.png", "a.png missing.png", "https://127.0.0.1:1/a.png", "''",
        ] {
            let lines = "/image \(place)\nhello\nhow are you\n/image a.png\nwhat is this\n"
            let (tokens, errors) = try chat(Array(lines.utf8), in: folder)
            #expect(tokens.count == 3, "\(place): \(errors)")
            #expect(errors.split(separator: "\n").count { $0.hasPrefix("error: ") } == 1, "\(place): \(errors)")
        }
        #expect(
            try chat(Array("/image\n/image  \nhi\n".utf8), in: folder).errors.contains("/image needs a path or URL")
        )
    }

    /// A picture is read when it is shown, not with every turn.
    @Test func picturesMayGoAfterwards() throws {
        let folder = try folder()
        let input = folder.path("input")
        let script = """
            mkfifo input; $program chat --model "$1" --max-new-tokens 2 --json < input & exec 3> input
            echo '/image a.png' >&3; echo hi >&3; read -r line < <(sleep 3); rm a.png; echo hi >&3; exec 3>&-; wait $!
            """
        let run = try ProductRun("idefics", shell: script, [tinyModel], workingDirectory: folder.url)
        #expect(
            run.output.split(separator: "\n").count == 2 && !run.errors.contains("error"),
            "\(input): \(run.errors)"
        )
    }

    @Test func aPictureOfTheCommandLineThatCannotBeReadEndsIt() throws {
        let run = try idefics(["chat", "--model", tinyModel, "--image", "missing.png"], input: "hi\n")
        #expect(run.status == 1 && run.output.isEmpty && run.errors.contains("missing.png"), "\(run.errors)")
    }

    @Test func veryLongLines() throws {
        let folder = try folder()
        let long = String(repeating: "long", count: 300_000)
        let (tokens, errors) = try chat(Array("/image \(long)\n/\(long)\n\nhi".utf8), in: folder)
        #expect(tokens.count == 1 && errors.utf8.count < 3000, "\(errors.prefix(3000))")
    }
}
