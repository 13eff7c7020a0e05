// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import IdeficsTensor

/// The command line: one executable, one subcommand for each job.
@main
struct IdeficsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idefics",
        abstract: "Run IDEFICS vision-language models: pictures and text in, text out.",
        discussion: """
            Models are directories in Hugging Face format or names on the hub (ORG/NAME[@revision]), which are kept in \
            the shared Hugging Face cache. Results go to standard output, progress and messages to standard error.
            """,
        version: "0.1.0",
        subcommands: [
            GenerateCommand.self, ChatCommand.self, ScoreCommand.self, PerplexityCommand.self, ForwardCommand.self,
            ProcessCommand.self, TokenizeCommand.self, DownloadCommand.self, InitCommand.self, QuantizeCommand.self,
            MergeCommand.self, FinetuneCommand.self, TrainCommand.self, InspectCommand.self, BenchCommand.self,
            RandomCheckpointCommand.self,
        ]
    )

    static func main() async {
        MappedFile.reportFailedReads()
        await main(nil)
    }
}
