// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor

/// `idefics quantize`.
struct QuantizeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quantize",
        abstract: "Store a model with 4 or 8 bits for each weight.",
        discussion: """
            Writes a model directory that is used like any other, mapped as it lies. Weights stream through one at a \
            time; a run that was stopped goes on after the last file it finished. Every matrix is compared with its \
            source afterwards; the errors are in quantization_report.json. With --calibration the matrices of the decoder \
            are rounded to int4 and int8 so that its outputs for that text change least: much closer to the original, and \
            no slower to use; quantising takes about as long as reading the text three times.
            """
    )

    @Option(help: "Model directory, or ORG/NAME[@revision] on the Hugging Face hub, with dense weights.")
    var model: String

    @Option(help: "Format of decoder layers and gated blocks: int8, int4 (groups of 64) or nf4 (bitsandbytes').")
    var format: QuantizedTensor.Format

    @Option(help: "Directory to write.")
    var output: String

    @Option(help: "UTF-8 text to adapt the rounding to, of the kind the model is for; - for standard input.")
    var calibration: String?

    @Option(help: "Tokens of the calibration text that are used at most.")
    var calibrationTokens = 16_384

    @Option(
        help: ArgumentHelp(
            """
            Matrices that take 8 bits instead of 4, separated by commas: parts of their names between dots, such as \
            v_proj,down_proj,layers.0; * stands for any text.
            """,
            valueName: "names"
        )
    )
    var keepInt8: String?

    @Flag(
        help: """
            Quantise the scales of nf4 once more, 4.13 bits a weight instead of 4.5, in bitsandbytes' files; transformers \
            reads the model, too, if --head and --embeddings are kept and no part has 8 bits.
            """
    )
    var doubleQuant = false

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
        guard 2...100_000_000 ~= calibrationTokens else {
            throw ValidationError("--calibration-tokens \(calibrationTokens): must be 2 to 100000000")
        }
        if doubleQuant, format != .nf4,
            ![parts.head, parts.embeddings, parts.resampler, parts.vision].contains(where: { $0?.format == .nf4 })
        {
            throw ValidationError("--double-quant: only nf4 has scales that can be quantized once more")
        }
        if calibration != nil && format == .nf4 {
            throw ValidationError("--calibration: nf4 keeps bitsandbytes' rounding; calibrate int4 or int8")
        }
    }

    func run() async throws {
        threadOptions.apply()
        let bar = ProgressBar()
        var options = parts.options(format)
        options.usesDoubleQuant = doubleQuant
        options.keptInInt8 = keepInt8?.split(separator: ",").map(String.init) ?? []
        let quantization = try ModelQuantization(
            directory: await modelDirectory(of: model) { bar.show($0) },
            options: options,
            calibration: try calibration.map {
                Calibration(text: try TextFile.read($0), tokenCount: calibrationTokens)
            },
            shardByteCount: maxShardSize * 1_000_000
        )
        let total = Int64(quantization.byteCount)
        let report = try quantization.write(
            to: URL(localPath: output, isDirectory: true),
            replacesExisting: overwrite
        ) { bar.show(completed: Int64($0), total: total) }
        bar.finish()
        if json { return try Terminal.writeJSON(report, isPretty: true) }
        try Terminal.write(
            "\(printable(output)): \(Format.bytes(Int64(report.byteCount))), was \(Format.bytes(Int64(report.sourceByteCount)))\n"
        )
        for (part, entries) in Dictionary(
            grouping: report.entries,
            by: { QuantizationOptions.Part(parameter: $0.name) }
        )
        .sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            guard let worst = entries.max(by: { $0.relativeError < $1.relativeError }) else { continue }
            let mean = entries.reduce(0) { $0 + $1.relativeError } / Double(entries.count)
            let formats = Set(entries.map(\.format)).sorted().joined(separator: " and ")
            let bits = report.bitsPerWeight(part).map { ", \(Format.number($0, digits: 2)) bits a weight" } ?? ""
            func percent(_ share: Double) -> String { "\(Format.number(share * 100, digits: 2)) %" }
            try Terminal.write(
                "\(part.rawValue): \(entries.count) × \(formats)\(bits), relative error \(percent(mean)), "
                    + "at most \(percent(worst.relativeError)) (\(printable(worst.name)))\n"
            )
        }
    }
}
