// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics

/// Which model, and how it computes.
struct ModelOptions: ParsableArguments {
    @Option(help: "Model directory, ORG/NAME[@revision] on the Hugging Face hub, or demo (./demo is a directory).")
    var model: String

    @OptionGroup var threadOptions: ThreadOptions

    /// Sets the number of threads and finds the model's directory, downloading it with a progress bar.
    ///
    /// A missing demo model is offered to whoever sits at the terminal.
    func directory() async throws -> URL {
        threadOptions.apply()
        do {
            return try await find()
        } catch IdeficsError.demoModelMissing(let path) {
            guard let offer = DemoModelOffer(), offer.isAccepted() else {
                throw IdeficsError.demoModelMissing(path: path)
            }
            try offer.run()
            return try await find()
        }
    }

    private func find() async throws -> URL {
        let bar = ProgressBar()
        defer { bar.finish() }
        return try await modelDirectory(of: model) { bar.show($0) }
    }
}
