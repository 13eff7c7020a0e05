// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor

/// `idefics init`.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Join a pretrained language model and a pretrained vision model into an untrained IDEFICS.",
        discussion: """
            Takes over decoder, embedding and head of a Llama (LlamaForCausalLM; grouped queries, tied heads and any \
            rope_theta) and the tower of a CLIP (CLIPVisionModel, CLIPModel, OpenCLIP) or DINOv2; resampler, gated \
            blocks and the image tokens are new, initialised as in the original training. While the gates are closed, \
            the model writes what the language model would. Writes a complete checkpoint directory.
            """
    )

    @Option(help: "Directory, or ORG/NAME[@revision] on the hub, of the language model.")
    var languageModel: String

    @Option(help: "Directory, or ORG/NAME[@revision] on the hub, of the vision model.")
    var visionModel: String

    @Option(help: "Directory to write.")
    var output: String

    @Flag(help: "Replace what is in --output.")
    var overwrite = false

    @OptionGroup(title: "Architecture") var architecture: ArchitectureOptions

    @Option(help: "Seed of all new parameters.")
    var seed: UInt64 = 0

    @Option(help: "How weights are stored: bfloat16, float16 or float32.")
    var dtype = StorageDType.bfloat16

    @Option(help: "Size of a file of weights, in MB.")
    var maxShardSize = 5000

    @Flag(help: "Write one JSON object about the result.")
    var json = false

    private struct Report: Encodable {
        let directory: String
        let bytes: Int
        let layers: Int
        let gatedLayers: Int
        let visionLayers: Int
        let imageTokens: Int
        let vocabulary: Int
    }

    func validate() throws {
        guard 1...1_000_000 ~= maxShardSize else {
            throw ValidationError("--max-shard-size \(maxShardSize): must be 1 to 1000000 (MB)")
        }
    }

    func run() async throws {
        var options = architecture.options
        options.seed = seed
        options.dtype = dtype.dtype
        options.shardByteCount = maxShardSize * 1_000_000
        let bar = ProgressBar()
        let initialization = try ModelInitialization(
            languageModel: await modelDirectory(of: languageModel) { bar.show($0) },
            visionModel: await modelDirectory(of: visionModel) { bar.show($0) },
            options: options
        )
        let total = Int64(initialization.byteCount)
        let directory = URL(localPath: output, isDirectory: true)
        try initialization.write(to: directory, replacesExisting: overwrite) {
            bar.show(completed: Int64($0), total: total)
        }
        bar.finish()
        let config = initialization.config
        let report = Report(
            directory: directory.path,
            bytes: initialization.byteCount,
            layers: config.numHiddenLayers,
            gatedLayers: config.numGatedLayers,
            visionLayers: config.visionConfig.numHiddenLayers,
            imageTokens: config.imageTokens,
            vocabulary: config.totalVocabSize
        )
        if json {
            try Terminal.writeJSON(report, isPretty: true)
        } else {
            try Terminal.write(
                """
                \(printable(output)): \(Format.bytes(total)), \(report.layers) decoder layers, \(report.gatedLayers) gated blocks, \
                \(report.visionLayers) vision layers, \(report.imageTokens) tokens an image

                """
            )
        }
    }
}
