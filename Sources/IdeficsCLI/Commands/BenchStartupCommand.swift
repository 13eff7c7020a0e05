// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor

/// `idefics bench startup`.
struct BenchStartupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "startup",
        abstract: "From starting `idefics generate` to its first token, with a checkpoint on disk.",
        discussion: """
            With --model, of a checkpoint that is there; otherwise a checkpoint of random weights is written to a temporary \
            directory (5 GB for the 9B in int4) and removed afterwards. Files are warm: one run before the measured ones \
            reads them in. A run reads a prompt of 16 tokens, without and with an image, and generates 16.
            """
    )

    @Option(help: "Directory of a checkpoint. (default: random weights)")
    var model: String?

    @OptionGroup var random: RandomModelOptions

    @Option(help: "Decoder layers of the random weights. (default: all)")
    var layers: Int?

    @Option(help: "Directory whose tokenizer the random checkpoint is given, so that reading one is part of starting.")
    var tokenizer: String?

    @Option(help: "Rounds; medians are over these. One more reads the files in.")
    var rounds = 5

    @Flag(help: "Write one JSON object instead of text: seconds and bytes.")
    var json = false

    @OptionGroup var threadOptions: ThreadOptions

    func validate() throws {
        guard 1...1000 ~= rounds else { throw ValidationError("--rounds \(rounds): must be 1 to 1000") }
        if let layers { try random.validate(layers: layers) }
    }

    func run() throws {
        threadOptions.apply()
        let scratch = FileManager.default.temporaryDirectory.appending(path: "idefics-bench-\(UUID().uuidString)")
        try Files.makeFolder(scratch.path)
        defer { try? FileManager.default.removeItem(at: scratch) }
        let directory = try model.map { URL(localPath: $0, isDirectory: true) } ?? checkpoint(in: scratch)
        let report = try StartupBenchmark(directory: directory, scratch: scratch).report(rounds: rounds)
        if json { return try Terminal.writeJSON(report, isPretty: true) }
        func seconds(_ value: Double) -> String { "\(Format.number(value, digits: 3)) s" }
        func bytes(_ count: Int?) -> String { count.map { Format.bytes(Int64($0)) } ?? "unknown" }
        try Terminal.write(
            """
            \(Engine.instructionSet), \(report.threads) threads, medians of \(rounds) rounds, \
            \(bytes(report.weightBytes)) of weights
            ready                   \(seconds(report.ready)) (\(seconds(report.readyFromStart)) after the command)
            first token             \(seconds(report.firstToken)) after the command
            first token, one image  \(seconds(report.firstTokenWithImage)) after the command
            generating              \(Format.number(report.tokensPerSecond, digits: 2)) tokens/s
            peak memory             \(bytes(report.peakMemoryBytes)); with an image \
            \(bytes(report.peakMemoryBytesWithImage))

            """
        )
    }

    private func checkpoint(in scratch: URL) throws -> URL {
        let directory = scratch.appending(path: "model", directoryHint: .isDirectory)
        try Files.makeFolder(directory.path)
        Terminal.transient("writing the weights")
        try random.checkpoint(layers: layers ?? random.config.layerCount).write(to: directory)
        guard let tokenizer else { return directory }
        for name in ["tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"] {
            let source = URL(localPath: tokenizer, isDirectory: true).appending(path: name)
            guard Files.exists(source) else { continue }
            try FileManager.default.copyItem(at: source, to: directory.appending(path: name))
        }
        guard ModelFiles(directory: directory).hasTokenizer else {
            throw ValidationError("--tokenizer \(tokenizer): has neither tokenizer.json nor tokenizer.model")
        }
        return directory
    }
}
