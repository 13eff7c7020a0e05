// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor
import IdeficsTraining

/// `idefics bench train`.
struct BenchTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "A step of training: forward, back, and AdamW.",
        discussion: """
            A checkpoint of random weights with open gates is written to a temporary directory (4 GB for 4 layers in bf16, \
            5 GB for all 32 in nf4) and trained as `idefics finetune` does, each step on one sequence that sees all its \
            images, pixels to loss. Measured with each number of --tokens. The rate counts products with weights: \
            forward, for gradients of inputs, and for those of trained weights.
            The community's QLoRA run is --format nf4 --head keep --embeddings keep --resampler nf4 --vision nf4 --lora-r 16.
            """
    )

    @OptionGroup var random: RandomModelOptions

    @Option(help: "Decoder layers, with their gated blocks and the head; a multiple of 4.")
    var layers = 4

    @Option(help: "Rank of adapters on queries, keys and values; 0 trains the gated blocks and the resampler in full.")
    var loraR = 0

    @Option(help: "Tokens of the sequence (repeatable).")
    var tokens = [256, 1024]

    @Option(help: "Images of the sequence.")
    var images = 1

    @Option(
        help: "Moments: adamw_torch (f32) or adamw_8bit.",
        transform: { name in
            guard let optim = TrainingConfig.Optimizer(rawValue: name) else {
                throw ValidationError("\(name) is unknown")
            }
            return optim
        }
    )
    var optim = TrainingConfig.Optimizer.adamw

    @Flag(help: "Multiply in bf16, sums in f32.")
    var bf16 = false

    @Flag(help: "Keep only the inputs of layers and compute them again in the backward pass.")
    var gradientCheckpointing = false

    @OptionGroup(title: "Measuring") var options: MeasurementOptions

    func validate() throws {
        try random.validate(layers: layers)
        guard random.config.hasImages else { throw ValidationError("--config \(random.config): has nothing to train") }
        guard 0...1024 ~= loraR else { throw ValidationError("--lora-r \(loraR): must be 0 to 1024") }
        guard 0...64 ~= images else { throw ValidationError("--images \(images): must be 0 to 64") }
        if let wrong = tokens.first(where: { !(2...65_536 ~= $0) }) {
            throw ValidationError("--tokens \(wrong): must be 2 to 65536")
        }
    }

    func run() throws {
        options.threadOptions.apply()
        let scratch = FileManager.default.temporaryDirectory.appending(path: "idefics-bench-\(UUID().uuidString)")
        try Files.makeFolder(scratch.path)
        defer { try? FileManager.default.removeItem(at: scratch) }
        Terminal.transient("writing the weights")
        let clock = ContinuousClock()
        let start = clock.now
        let checkpoint = random.checkpoint(layers: layers)
        try checkpoint.write(to: scratch)
        let secondsToMake = (clock.now - start) / .seconds(1)
        let benchmark = try TrainingBenchmark(
            directory: scratch,
            loraRank: loraR,
            images: images,
            pass: TrainingPass(isCheckpointing: gradientCheckpointing, precision: bf16 ? .bf16 : .f32),
            optim: optim
        )
        var report = try options.report(tokens.map(benchmark.measurement))
        report.model = BenchReport.Model(
            config: random.config.rawValue,
            layers: layers,
            format: random.format.name,
            parts: random.quantization.formats.reduce(into: [:]) { $0[$1.key.rawValue] = $1.value.rawValue },
            weightBytes: checkpoint.byteCount,
            trainedElements: benchmark.trainedElements,
            secondsToMake: secondsToMake,
            peakMemoryBytes: PeakMemory.byteCount.map { $0 - options.readByteCount }
        )
        try report.write(asJSON: options.json)
    }
}
