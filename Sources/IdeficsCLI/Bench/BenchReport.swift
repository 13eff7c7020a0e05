// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsTensor

/// What a benchmark says, for people and, with `--json`, for programs.
struct BenchReport: Encodable {
    /// Of a model with random weights.
    struct Model: Encodable {
        let config: String
        let layers: Int
        let format: String
        /// Formats of the parts that differ from the dense one.
        let parts: [String: String]
        /// Bytes of all parameters.
        let weightBytes: Int
        /// Elements of what is trained, where something is.
        var trainedElements: Int?
        /// Seconds that making them took.
        let secondsToMake: Double
        /// The most memory the process had, without that which measures the read limit: weights, activations, caches.
        let peakMemoryBytes: Int?
    }

    let instructionSet: String
    let threads: Int
    let rounds: Int
    let limits: LimitResult
    let results: [MeasurementResult]
    var model: Model?
    var decode: DecodeBenchmark.Report?

    /// A report of results measured with the engine as it is set.
    init(rounds: Int, limits: LimitResult, results: [MeasurementResult]) {
        instructionSet = Engine.instructionSet
        threads = Engine.threadCount
        self.rounds = rounds
        self.limits = limits
        self.results = results
    }

    /// Writes it to standard output.
    func write(asJSON: Bool) throws {
        if asJSON { return try Terminal.writeJSON(self, isPretty: true) }
        try Terminal.write(
            """
            \(instructionSet), \(threads) threads, medians of \(rounds) rounds
            limits: memory read \(giga(limits.memoryReadBytesPerSecond, digits: 1)) GB/s, \
            f32 multiply-add \(giga(limits.multiplyAddPerSecond, digits: 0)) GFLOP/s, \
            8-bit integers \(giga(limits.integerPerSecond, digits: 0)) Gop/s

            """
        )
        if let model { try write(model) }
        try Terminal.write("\n\(table)\n")
        if let decode { try write(decode) }
    }

    private var table: String {
        let countsTokens = results.contains { $0.tokensPerSecond != nil }
        let rows = results.map { result in
            let rate =
                switch result.bound {
                case .memory: "\(giga(result.rate, digits: 1)) GB/s"
                case .compute, .bf16: "\(giga(result.rate, digits: 0)) GFLOP/s"
                case .integer: "\(giga(result.rate, digits: 0)) Gop/s"
                }
            let tokens = result.tokensPerSecond.map { "\(Format.number($0, digits: $0 < 100 ? 1 : 0)) tokens/s" }
            return [
                result.name,
                "\(Format.number(result.seconds * 1000, digits: result.seconds < 0.01 ? 3 : 1)) ms",
            ] + (countsTokens ? [tokens ?? ""] : []) + [
                rate,
                "\(Format.number(result.shareOfLimit * 100, digits: 0)) %",
            ]
        }
        return Format.table(["", "time"] + (countsTokens ? [""] : []) + ["rate", "of limit"], rows) + beyondLimit
    }

    /// Why a share is above 100 %, where one is.
    private var beyondLimit: String {
        let beyond = results.filter { ($0.shareOfLimit * 100).rounded() > 100 }
        guard !beyond.isEmpty else { return "" }
        let isMemory = beyond.contains { $0.bound == .memory }
        return "\nabove 100 %: "
            + (isMemory
                ? "some of what is read lies in the caches, which the limit of main memory leaves out"
                : "the machine was busy with something else while its limit was measured; measure again")
    }

    private func write(_ model: Model) throws {
        let parts = model.parts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        let trained = model.trainedElements.map { ", \(Format.number(Double($0) / 1e6, digits: 1)) M trained" } ?? ""
        let peak = model.peakMemoryBytes.map { ", peak memory \(Format.bytes(Int64($0)))" } ?? ""
        try Terminal.write(
            """
            \(model.config), \(model.layers) layers, \(model.format)\(parts.isEmpty ? "" : " (\(parts.joined(separator: ", ")))"), \
            random weights: \(Format.bytes(Int64(model.weightBytes))) made in \
            \(Format.number(model.secondsToMake, digits: 1)) s\(trained)\(peak)

            """
        )
    }

    private func write(_ decode: DecodeBenchmark.Report) throws {
        func seconds(_ value: Double) -> String { "\(Format.number(value, digits: 2)) s" }
        try Terminal.write(
            """

            decode \(decode.model): \(Format.number(decode.tokensPerSecond, digits: 1)) tokens/s; a token reads \
            \(Format.bytes(Int64(decode.weightBytesPerToken))) of weights, \
            \(Format.bytes(Int64(decode.cacheBytesPerToken))) of cache
            first token: \(seconds(decode.secondsToFirstToken)) after the command, \
            \(seconds(decode.secondsToFirstTokenWithPicture)) with an image

            """
        )
    }

    private func giga(_ rate: Double, digits: Int) -> String { Format.number(rate / 1e9, digits: digits) }
}
