// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics

/// `idefics bench decode`.
struct BenchDecodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract: "Greedy generation with a checkpoint.",
        discussion: """
            Seconds of one token against the time that reading its parameters and cache would take, and seconds from \
            starting the program to its end after one token, with and without an image.
            """
    )

    @Option(help: "Model directory, ORG/NAME[@revision] on the hub, or demo.")
    var model = ApplicationCache.demoModelName

    @OptionGroup var options: MeasurementOptions

    func run() async throws {
        options.threadOptions.apply()
        let benchmark = try DecodeBenchmark(name: model, directory: await modelDirectory(of: model))
        var report = try options.report([benchmark.measurement])
        if let result = report.results.first { report.decode = try benchmark.report(result, rounds: options.rounds) }
        try report.write(asJSON: options.json)
    }
}
