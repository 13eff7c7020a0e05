// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

@main
struct IdeficsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idefics",
        abstract: "Run IDEFICS vision-language models."
    )
}
