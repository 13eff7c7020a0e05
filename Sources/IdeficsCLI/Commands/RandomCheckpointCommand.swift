// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsCheckpoints
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
    var format: FormatArgument?

    @Option(help: "Directory to write; must not exist.")
    var output: String

    func run() throws {
        let architecture = try IdeficsConfig(contentsOf: URL(filePath: config))
        let formats = format.map { QuantizationOptions($0.format) }
        let random = RandomWeights(.bf16)
        let parameters = Weights.listing { _ = IdeficsModel(architecture, $0) }.map { parameter in
            (parameter, parameter.isWeight ? formats?.format(of: parameter.name) : nil)
        }
        let staged = try StagedDirectory(URL(filePath: output, directoryHint: .isDirectory))
        let writer = try CheckpointWriter(
            staged.url,
            tensors: parameters.flatMap { parameter, format in parameter.declarations(format: format, dtype: .bf16) },
            shardByteCount: 1_000_000_000
        )
        for (parameter, format) in parameters {
            guard let format, case .quantized(let weight, _) = random.quantized(format, parameter.shape) else {
                try writer.write(random.tensor(parameter.shape), named: parameter.name)
                continue
            }
            try writer.write(weight.codes, named: Weights.codesName(parameter.name, format))
            try writer.write(weight.scales, named: Weights.scalesName(parameter.name))
        }
        try writer.finish()
        try staged.write(Data(contentsOf: URL(filePath: config)), to: "config.json")
        try staged.commit()
    }
}
