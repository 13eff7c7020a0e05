// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsTensor

/// Which model of random weights, and how they are stored.
struct RandomModelOptions: ParsableArguments {
    @Option(
        help: """
            Shapes: idefics-9b, idefics-80b, or llama-7b, the decoder of the 9B without images and gated blocks, as \
            language model programs have it.
            """
    )
    var config = BenchArchitecture.idefics9b

    @Option(help: "Format of the text side: f32, bf16, int8, int4 or nf4.")
    var format = BenchFormat.bf16

    @OptionGroup(title: "Parts (keep: f32 with --format f32, else bf16)")
    var parts: PartOptions

    /// Element type of what is not quantized.
    var dtype: DType { format.dtype }

    /// Formats of the parts.
    var quantization: QuantizationOptions {
        parts.options(format.format)
    }

    /// The model with `layers` decoder layers as a checkpoint.
    func checkpoint(layers: Int) -> RandomCheckpoint {
        RandomCheckpoint(config.config(layers: layers), dtype: dtype, options: quantization, gate: config.gate)
    }

    /// Checks a number of layers; the messages name `--layers`.
    func validate(layers: Int) throws {
        guard config.layerStep...config.layerCount ~= layers, layers % config.layerStep == 0 else {
            throw ValidationError(
                "--layers \(layers): \(config.rawValue) takes \(config.layerStep) to \(config.layerCount)"
                    + (config.layerStep > 1 ? ", a multiple of \(config.layerStep)" : "")
            )
        }
    }
}
