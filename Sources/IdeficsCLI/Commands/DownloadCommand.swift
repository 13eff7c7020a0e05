// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation

/// `idefics download`.
struct DownloadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "download",
        abstract: "Fetch a model into the shared Hugging Face cache.",
        discussion: """
            Prints the model's directory. Interrupted downloads go on where they stopped; files are checked against the \
            hub's sizes and hashes. HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE are honoured.
            """
    )

    @OptionGroup var modelOptions: ModelOptions

    func run() async throws {
        try Terminal.write(path: try await modelOptions.directory().path)
    }
}
