// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport
import Testing

@Suite struct NarrowTerminalTests {
    /// A line that is redrawn stays one line: what does not fit the terminal is left out. (`script` runs a command on a
    /// terminal of its own.)
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/bin/script")), arguments: [2, 30, 79])
    func progressFitsTheTerminal(columns: Int) throws {
        let folder = try TemporaryFolder()
        let command = #"stty cols \#(columns); "$program" quantize --model "$model" --format int8 --output "$output""#
        let run = try ProductRun(
            executable: URL(filePath: "/usr/bin/script"),
            ["-qec", command, "/dev/null"],
            environment: [
                "SHELL": "/bin/sh", "program": ProductRun.url(of: "idefics").path, "model": tinyModel,
                "output": folder.path("quantized"),
            ]
        )
        let frames = run.output.components(separatedBy: "\r\u{1B}[K").dropFirst().map { $0.prefix { $0 != "\r\n" } }
        #expect(run.status == 0 && !frames.isEmpty, "\(run.output)")
        #expect(frames.allSatisfy { $0.count < columns }, "\(run.output)")
        // Of "100 %" not even "10" is left where there is no room for it.
        #expect(frames.contains { $0.hasPrefix("[") } && !frames.contains { $0.hasSuffix(" 10") }, "\(run.output)")
    }
}
