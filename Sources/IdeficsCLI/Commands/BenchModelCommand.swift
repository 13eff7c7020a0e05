// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsTensor

/// `idefics bench model`.
struct BenchModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "A whole model with random weights: images, prompts, generating.",
        discussion: """
            Images through the vision tower and the resampler; prompts of 128 and 512 tokens; generating after 128 and 1024 \
            tokens; with 0, 1 and 4 images that every token sees, one and four sequences at once. Gates are open, so that \
            gated blocks run; each sequence of a batch has a cache and images of its own. Images of prompts are encoded \
            already, but their keys and values in the gated blocks are made.
            Weights are made in memory in seconds; the 9B takes 1.1 GB (int4) to 4 GB (bf16) with 8 layers, 5 GB (int4) to \
            18 GB (bf16) with all 32. Caches for the four sequences of 1024 tokens come on top. Rates are of bytes read \
            (parameters, cache, keys and values of images) or of operations (matrix products and attention).
            """
    )

    @OptionGroup var random: RandomModelOptions

    @Option(help: "Decoder layers, with their gated blocks and the head; a multiple of 4 unless llama-7b.")
    var layers = 8

    @Flag(help: "Multiply quantized weights with the activations as they are, not quantized too; slower.")
    var exact = false

    @OptionGroup(title: "Measuring") var options: MeasurementOptions

    func validate() throws {
        try random.validate(layers: layers)
    }

    func run() throws {
        options.threadOptions.apply()
        Terminal.transient("making the weights")
        let clock = ContinuousClock()
        let start = clock.now
        let model = RandomModel(
            random.config,
            layers: layers,
            dtype: random.dtype,
            options: random.quantization,
            isExact: exact
        )
        let secondsToMake = (clock.now - start) / .seconds(1)
        var report = try options.report(ModelMeasurements(random: model, options: random.quantization).all)
        report.model = BenchReport.Model(
            config: random.config.rawValue,
            layers: layers,
            format: random.format.name,
            parts: random.quantization.formats.reduce(into: [:]) { $0[$1.key.rawValue] = $1.value.rawValue },
            weightBytes: random.checkpoint(layers: layers).byteCount,
            secondsToMake: secondsToMake,
            peakMemoryBytes: PeakMemory.byteCount.map { $0 - options.readByteCount }
        )
        try report.write(asJSON: options.json)
    }
}
