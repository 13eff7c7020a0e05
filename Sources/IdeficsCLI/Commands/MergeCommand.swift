// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation

/// `idefics merge`.
struct MergeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Make a model and a LoRA adapter one model.",
        discussion: """
            Adds what the adapter learned to the weights, in f32, and writes a model directory that is used like any other, \
            here and in transformers. Weights stream through one at a time; a run that was stopped goes on after the last \
            file it finished. Quantised models are refused unless --dtype says how to store them dequantised.
            """
    )

    @Option(help: "Model directory, ORG/NAME[@revision] on the Hugging Face hub, or demo.")
    var model: String

    @Option(help: "LoRA adapter as PEFT writes it: directory or ORG/NAME[@revision].")
    var adapter: String

    @Option(help: "Directory to write.")
    var output: String

    @Option(help: "Type of all weights: float32, bfloat16 or float16. (default: those of the model)")
    var dtype: StorageDType?

    @OptionGroup var threadOptions: ThreadOptions

    @Option(help: "Size of a file of weights, in MB; also what a stopped run loses at most.")
    var maxShardSize = 5000

    @Flag(help: "Replace what is in --output.")
    var overwrite = false

    func validate() throws {
        guard 1...1_000_000 ~= maxShardSize else {
            throw ValidationError("--max-shard-size \(maxShardSize): must be 1 to 1000000 (MB)")
        }
    }

    func run() async throws {
        threadOptions.apply()
        let bar = ProgressBar()
        let merge = try AdapterMerge(
            directory: await modelDirectory(of: model) { bar.show($0) },
            adapter: await adapterDirectory(of: adapter) { bar.show($0) },
            dtype: dtype?.dtype,
            shardByteCount: maxShardSize * 1_000_000
        )
        let total = Int64(merge.byteCount)
        try merge.write(to: URL(localPath: output, isDirectory: true), replacesExisting: overwrite) {
            bar.show(completed: Int64($0), total: total)
        }
        bar.finish()
        let replaced = merge.replacedCount > 0 ? ", \(merge.replacedCount) parameters replaced" : ""
        try Terminal.write(
            "\(printable(output)): \(Format.bytes(total)), \(merge.mergedCount) matrices changed\(replaced)\n"
        )
    }
}
