// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics

/// `idefics quantize`.
struct QuantizeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quantize",
        abstract: "Store a model with 4 or 8 bits for each weight.",
        discussion: """
            Writes a model directory that is used like any other, mapped as it lies. Weights stream through one at a \
            time; a run that was stopped goes on behind the last file it finished. Every matrix is compared with its \
            source afterwards; the errors are in quantization_report.json.
            """
    )

    @Option(help: "Model directory, or ORG/NAME[@revision] on the Hugging Face hub, with dense weights.")
    var model: String

    @Option(help: "Format of decoder layers and gated blocks: int8, int4 (groups of 64) or nf4 (bitsandbytes').")
    var format: FormatArgument

    @Option(help: "Directory to write.")
    var output: String

    @OptionGroup(title: "Parts") var parts: PartOptions
    @OptionGroup var threadOptions: ThreadOptions

    @Option(help: "Size of a file of weights, in MB; also what a stopped run loses at most.")
    var maxShardSize = 1000

    @Flag(help: "Replace what is in --output.")
    var overwrite = false

    @Flag(help: "Write one JSON object with the error of every matrix.")
    var json = false

    func validate() throws {
        guard 1...1_000_000 ~= maxShardSize else {
            throw ValidationError("--max-shard-size \(maxShardSize): must be 1 to 1000000 (MB)")
        }
    }

    func run() async throws {
        threadOptions.apply()
        let bar = ProgressBar()
        let quantization = try ModelQuantization(
            directory: await modelDirectory(of: model) { bar.show($0) },
            options: parts.options(format.format),
            shardByteCount: maxShardSize * 1_000_000
        )
        let total = Int64(quantization.byteCount)
        let report = try quantization.write(
            to: URL(filePath: output, directoryHint: .isDirectory),
            replacesExisting: overwrite
        ) { bar.show(completed: Int64($0), total: total) }
        bar.finish()
        if json { return try Terminal.writeJSON(report, isPretty: true) }
        Terminal.write(
            "\(output): \(Format.bytes(Int64(report.byteCount))), was \(Format.bytes(Int64(report.sourceByteCount)))\n"
        )
        for (part, entries) in Dictionary(
            grouping: report.entries,
            by: { QuantizationOptions.Part(parameter: $0.name) }
        )
        .sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            guard let worst = entries.max(by: { $0.relativeError < $1.relativeError }) else { continue }
            let mean = entries.reduce(0) { $0 + $1.relativeError } / Double(entries.count)
            func percent(_ share: Double) -> String { "\(Format.number(share * 100, digits: 2)) %" }
            Terminal.write(
                "\(part.rawValue): \(entries.count) × \(worst.format), relative error \(percent(mean)), "
                    + "at most \(percent(worst.relativeError)) (\(worst.name))\n"
            )
        }
    }
}
