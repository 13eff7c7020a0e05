// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsTestSupport

/// One run of the `idefics` binary that was built beside the tests.
struct CommandRun {
    let status: Int32
    let output: String
    let errors: String

    /// Runs `idefics` with `arguments`, `input` on standard input.
    init(_ arguments: [String], input: String = "", environment: [String: String] = [:]) throws {
        let process = Process()
        // The tests' own executable lies in the products directory, or (macOS) some folders below it.
        var folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        while !FileManager.default.isExecutableFile(atPath: folder.appending(path: "idefics").path), folder.path != "/"
        {
            folder.deleteLastPathComponent()
        }
        process.executableURL = folder.appending(path: "idefics")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let (outputPipe, errorPipe, inputPipe) = (Pipe(), Pipe(), Pipe())
        process.standardOutput = outputPipe
        process.standardError = errorPipe
        process.standardInput = inputPipe
        try process.run()
        try inputPipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try inputPipe.fileHandleForWriting.close()
        // Outputs here are far smaller than a pipe's buffer, so reading one after the other cannot block.
        output = String(decoding: outputPipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        errors = String(decoding: errorPipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        status = process.terminationStatus
    }

    /// The output as JSON.
    func json() throws -> Any {
        try JSONSerialization.jsonObject(with: Data(output.utf8))
    }
}

/// A folder that is removed when the value goes away.
final class TemporaryFolder {
    let url = FileManager.default.temporaryDirectory.appending(path: "idefics-cli-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appending(path: name).path }
}

/// The tiny model with a tokenizer.
let tinyModel = Fixtures.url("f7-e2e").path
/// A picture of the fixtures.
func picture(_ name: String) -> String { Fixtures.url("processor/images/\(name)").path }
