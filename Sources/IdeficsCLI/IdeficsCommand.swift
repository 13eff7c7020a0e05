// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import IdeficsFoundation
import IdeficsTensor

/// The command line: one executable, one subcommand for each job.
@main
struct IdeficsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idefics",
        abstract: "Run IDEFICS vision-language models: images and text in, text out.",
        discussion: """
            Models are directories in Hugging Face format or names on the hub (ORG/NAME[@revision]), which are kept in \
            the shared Hugging Face cache. Results go to standard output, progress and messages to standard error.
            """,
        version: "0.1.0",
        subcommands: [
            GenerateCommand.self, ChatCommand.self, ScoreCommand.self, PerplexityCommand.self, ForwardCommand.self,
            ProcessCommand.self, TokenizeCommand.self, DownloadCommand.self, InitCommand.self, QuantizeCommand.self,
            MergeCommand.self, FinetuneCommand.self, TrainCommand.self, InspectCommand.self, CacheCommand.self,
            BenchCommand.self,
            RandomCheckpointCommand.self,
        ]
    )

    static func main() async {
        StandardStreams.prepare()
        MappedFile.reportFailedReads()
        end(await status(of: PathBytes.arguments))
    }

    /// Runs the command that `arguments` say, as `AsyncParsableCommand.main` does, but for the way anything is written.
    private static func status(of arguments: [String]) async -> Int32 {
        do {
            var command = try await asyncParseAsRoot(arguments)
            try RepeatedOptions.check(arguments, of: type(of: command)) { _ = try parseAsRoot($0) }
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            try StandardStreams.finishResults()
            return ExitCode.success.rawValue
        } catch {
            return report(error)
        }
    }

    /// Tells how the command ended, on standard output what was asked for (help, version), else on standard error.
    ///
    /// A pipe that nobody reads any more is no reason to say something.
    private static func report(_ error: any Error) -> Int32 {
        let status = exitCode(for: error)
        if let error = error as? OutputError, error.isClosedPipe { return status.rawValue }
        // The parser would tell the reason alone of an error that has one for other messages.
        let text = fullMessage(for: error is FileError ? CommandError("\(error)") : error)
        guard status.isSuccess else {
            if !text.isEmpty { Terminal.note(text) }
            return status.rawValue
        }
        do {
            if !text.isEmpty { try Terminal.write(text + "\n") }
            try StandardStreams.finishResults()
            return status.rawValue
        } catch {
            return report(error)
        }
    }
}

/// `exit` of the C library, whose name the parser's method hides.
private func end(_ status: Int32) -> Never { exit(status) }
