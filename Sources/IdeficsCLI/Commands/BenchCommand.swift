// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsTensor

/// `idefics bench`.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure this machine's limits and how close the engine comes.",
        discussion: """
            Measures memory bandwidth and multiply-add rate, then the operations and parts of IDEFICS-9B with random \
            weights, each between two measurements of its limit. Prints medians over the rounds. Takes up to 6 GB of \
            memory and a few minutes; other work on the machine shows in the figures. `decode` is greedy generation with \
            a checkpoint: seconds of one token against the time that reading its parameters and cache would take. \
            `model` is the text side of the 9B: prompts of 128 and 512 tokens, and generating.
            """
    )

    /// What to measure.
    enum Part: String, ExpressibleByArgument, CaseIterable {
        case kernels
        case image
        case decode
        case model
        case all
    }

    @Argument(help: "What to measure: kernels, image (the whole vision tower), decode (a checkpoint), model or all.")
    var part = Part.all

    @Option(help: "decode: model directory or ORG/NAME. (default: demo; left out of `all` when it is not there)")
    var model: String?

    @Option(help: "model: decoder layers of the 9B, a multiple of 4, with their gated blocks and the head.")
    var layers = 8

    @Option(help: "model: format of all matrices: int8, int4 or nf4. (default: bf16)")
    var format: FormatArgument?

    @Option(help: "Rounds; medians are over these.")
    var rounds = 5

    @OptionGroup var threadOptions: ThreadOptions

    @Option(help: "Memory to read for the bandwidth limit, in MiB; well above the last-level cache.")
    var readMemory = 1024

    @Option(help: "Only measurements whose name contains this text.")
    var only: String?

    @Flag(help: "Write one JSON object instead of a table.")
    var json = false

    func validate() throws {
        guard 1...1000 ~= rounds else { throw ValidationError("--rounds \(rounds): must be 1 to 1000") }
        guard 4...32 ~= layers, layers % 4 == 0 else {
            throw ValidationError("--layers \(layers): must be 4 to 32, a multiple of 4")
        }
        guard 16...65_536 ~= readMemory else {
            throw ValidationError("--read-memory \(readMemory): must be 16 to 65536")
        }
    }

    private struct Report: Encodable {
        let instructionSet: String
        let threads: Int
        let rounds: Int
        let limits: LimitResult
        let results: [MeasurementResult]
        let decode: DecodeBenchmark.Report?
    }

    func run() async throws {
        threadOptions.apply()
        // What is in one group is measured in turns; only one group's weights are in memory at a time.
        let decode = try await decodeBenchmark()
        let isAll = part == .all
        let groups = [
            decode.map { [$0.measurement] } ?? [],
            part == .model ? ModelMeasurements.text(layers: layers, format: format?.format) : [],
            isAll || part == .kernels ? KernelMeasurements.all() : [],
            isAll || part == .image ? [ModelMeasurements.image(.f32)] : [],
            isAll || part == .image ? [ModelMeasurements.image(.bf16)] : [],
        ]
        let run = MeasurementRun(rounds: rounds, readBuffer: RandomWeights(.f32).tensor([readMemory << 18]))
        var limits: [LimitResult] = []
        var results: [MeasurementResult] = []
        for group in groups {
            let chosen = group.filter { only == nil || $0.name.contains(only ?? "") }
            guard !chosen.isEmpty else { continue }
            let (groupLimits, groupResults) = try run(chosen) { Terminal.transient($0) }
            limits.append(groupLimits)
            results += groupResults
        }
        Terminal.transient("")
        guard let first = limits.first else {
            throw ValidationError("--only \(only ?? ""): no measurement has that name")
        }
        let report = Report(
            instructionSet: Engine.instructionSet,
            threads: Engine.threadCount,
            rounds: rounds,
            limits: first,
            results: results,
            decode: try decodeReport(decode, results)
        )
        if json { try Terminal.writeJSON(report, isPretty: true) } else { write(report) }
    }

    /// The checkpoint to decode with; nil when it is not asked for, or not there and not asked for by name.
    private func decodeBenchmark() async throws -> DecodeBenchmark? {
        guard part == .decode || part == .all else { return nil }
        let name = model ?? ApplicationCache.demoModelName
        do {
            return try DecodeBenchmark(name: name, directory: await modelDirectory(of: name))
        } catch IdeficsError.demoModelMissing where part == .all && model == nil {
            Terminal.note("decode is left out: the demo model is not here (make demo-model)")
            return nil
        }
    }

    private func decodeReport(
        _ decode: DecodeBenchmark?,
        _ results: [MeasurementResult]
    ) throws -> DecodeBenchmark.Report? {
        guard let decode, let result = results.first(where: { $0.name == decode.measurement.name }) else { return nil }
        return try decode.report(result, rounds: rounds)
    }

    private func write(_ report: Report) {
        func giga(_ rate: Double, digits: Int) -> String { Format.number(rate / 1e9, digits: digits) }
        let rows = report.results.map { result in
            let rate =
                switch result.bound {
                case .memory: "\(giga(result.rate, digits: 1)) GB/s"
                case .compute: "\(giga(result.rate, digits: 0)) GFLOP/s"
                case .integer: "\(giga(result.rate, digits: 0)) Gop/s"
                }
            return [
                result.name,
                "\(Format.number(result.seconds * 1000, digits: result.seconds < 0.01 ? 3 : 1)) ms",
                rate,
                "\(Format.number(result.shareOfLimit * 100, digits: 0)) %",
            ]
        }
        Terminal.write(
            """
            \(report.instructionSet), \(report.threads) threads, medians of \(report.rounds) rounds
            limits: memory read \(giga(report.limits.memoryReadBytesPerSecond, digits: 1)) GB/s, \
            f32 multiply-add \(giga(report.limits.multiplyAddPerSecond, digits: 0)) GFLOP/s, \
            8-bit integers \(giga(report.limits.integerPerSecond, digits: 0)) Gop/s

            \(Format.table(["", "time", "rate", "of limit"], rows))

            """
        )
        if let decode = report.decode { write(decode) }
    }

    private func write(_ decode: DecodeBenchmark.Report) {
        func seconds(_ value: Double) -> String { "\(Format.number(value, digits: 2)) s" }
        Terminal.write(
            """

            decode \(decode.model): \(Format.number(decode.tokensPerSecond, digits: 1)) tokens/s; a token reads \
            \(Format.bytes(Int64(decode.weightBytesPerToken))) of weights, \
            \(Format.bytes(Int64(decode.cacheBytesPerToken))) of cache
            first token: \(seconds(decode.secondsToFirstToken)) after the command, \
            \(seconds(decode.secondsToFirstTokenWithPicture)) with a picture

            """
        )
    }
}
