// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor

/// `idefics random-checkpoint`, for tests of large models: a checkpoint of any configuration, of random bytes.
struct RandomCheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "random-checkpoint",
        abstract: "Write a model directory with random weights, for tests of sizes and speeds.",
        shouldDisplay: false
    )

    @Option(help: "The configuration: a config.json.")
    var config: String

    @Option(help: "Format of matrices, other parts as `quantize` has them. (default: bf16)")
    var format: QuantizedTensor.Format?

    @Option(help: "Directory to write; must not exist.")
    var output: String

    func run() throws {
        let architecture = try IdeficsConfig(contentsOf: URL(localPath: config))
        let staged = try StagedDirectory(URL(localPath: output, isDirectory: true))
        let options = format.map { QuantizationOptions($0) } ?? QuantizationOptions(formats: [:])
        try RandomCheckpoint(architecture, dtype: .bf16, options: options, gate: 0.5).write(to: staged.url)
        try staged.commit()
    }
}
