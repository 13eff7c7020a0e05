// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// One run of an executable of this package, which was built beside the tests.
public struct ProductRun {
    /// Its exit status; the signal's number for one that died.
    public let status: Int32
    /// Whether a signal ended it.
    public let isSignalled: Bool
    /// Standard output.
    public let output: String
    /// Standard error.
    public let errors: String

    /// Runs `product` with `arguments`, `input` on standard input.
    public init(
        _ product: String,
        _ arguments: [String],
        input: String = "",
        environment: [String: String] = [:]
    ) throws {
        try self.init(executable: Self.url(of: product), arguments, input: input, environment: environment)
    }

    /// Where the executable `product` is.
    public static func url(of product: String) -> URL {
        // The tests' own executable lies in the products directory, or (macOS) some folders below it.
        var folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        while !FileManager.default.isExecutableFile(atPath: folder.appending(path: product).path), folder.path != "/" {
            folder.deleteLastPathComponent()
        }
        return folder.appending(path: product)
    }

    /// Runs `script` in a shell where `$program` is `product` and `$1`, `$2` … are `arguments`: for redirections, closed
    /// descriptors and bytes that are no UTF-8 (`printf '\\351'`).
    public init(
        _ product: String,
        shell script: String,
        _ arguments: [String] = [],
        input: String = "",
        workingDirectory: URL? = nil
    ) throws {
        try self.init(
            executable: URL(filePath: "/bin/bash"),
            ["-c", script, "bash"] + arguments,
            input: input,
            environment: ["program": Self.url(of: product).path],
            workingDirectory: workingDirectory
        )
    }

    /// Runs `executable` with `arguments`, `input` on standard input, in `workingDirectory` if one is given.
    public init(
        executable: URL,
        _ arguments: [String],
        input: String = "",
        environment: [String: String] = [:],
        workingDirectory: URL? = nil
    ) throws {
        let process = Process()
        process.executableURL = executable
        process.currentDirectoryURL = workingDirectory
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let (outputPipe, errorPipe, inputPipe) = (Pipe(), Pipe(), Pipe())
        process.standardOutput = outputPipe
        process.standardError = errorPipe
        process.standardInput = inputPipe
        try process.run()
        try inputPipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try inputPipe.fileHandleForWriting.close()
        // Both at once: a program that fills one pipe would wait for ever for a reader of the other.
        let errorReader = PipeReader(errorPipe.fileHandleForReading)
        output = String(decoding: outputPipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        errors = String(decoding: errorReader.data(), as: UTF8.self)
        process.waitUntilExit()
        status = process.terminationStatus
        isSignalled = process.terminationReason == .uncaughtSignal
    }
}

/// Reads a pipe to its end on a thread of its own.
private final class PipeReader: @unchecked Sendable {
    // SAFETY: written by the thread before it leaves the group, read by `data` after that.
    private var bytes = Data()
    private let group = DispatchGroup()

    init(_ handle: FileHandle) {
        group.enter()
        let thread = Thread { [self] in
            bytes = handle.readDataToEndOfFile()
            group.leave()
        }
        thread.start()
    }

    /// All that was read.
    func data() -> Data {
        group.wait()
        return bytes
    }
}
