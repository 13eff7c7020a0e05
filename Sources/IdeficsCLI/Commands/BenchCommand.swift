// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `idefics bench`.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure this machine's limits and how close the engine comes.",
        discussion: """
            Everything is measured in turns, each thing between two measurements of its limit (bytes read from memory, f32 \
            multiply-adds or 8-bit integer multiply-adds a second), and medians are printed; other work on the machine \
            shows in the figures. Without a subcommand: `model`, as in
              idefics bench --config idefics-9b --layers 8 --format int4
            """,
        subcommands: [
            BenchModelCommand.self, BenchKernelsCommand.self, BenchDecodeCommand.self, BenchStartupCommand.self,
            BenchTrainCommand.self,
        ],
        defaultSubcommand: BenchModelCommand.self
    )
}

/// `idefics bench kernels`.
struct BenchKernelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "The operations that decide the speed of a model, at the sizes of the 9B.",
        discussion: "Takes up to 6 GB of memory and a few minutes."
    )

    @OptionGroup var options: MeasurementOptions

    func run() throws {
        options.threadOptions.apply()
        try options.report(KernelMeasurements.all()).write(asJSON: options.json)
    }
}
