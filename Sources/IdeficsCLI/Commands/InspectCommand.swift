// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsCheckpoints
import IdeficsFoundation

/// `idefics inspect`.
struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a checkpoint holds and whether it fits its configuration."
    )

    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup var memoryOptions: MemoryOptions

    @Flag(help: "List every tensor.")
    var tensors = false

    @Flag(help: "Write one JSON object.")
    var json = false

    private struct TensorRow: Encodable {
        let name: String
        let dtype: String
        let shape: [Int]
        let file: String
    }

    /// There when the weights do not fit.
    private struct Memory: Encodable {
        let weightBytes: Int
        let availableBytes: Int
        let streamedBytes: Int
        let streamedBytesPerToken: Int
        let readBytesPerSecond: Double?
        let secondsPerToken: Double?

        init(_ plan: MemoryPlan) {
            weightBytes = plan.weightByteCount
            availableBytes = plan.availableByteCount
            streamedBytes = plan.streamedByteCount
            streamedBytesPerToken = plan.streamedBytesPerPass
            readBytesPerSecond = plan.readRate
            secondsPerToken = plan.secondsPerPass
        }
    }

    private struct Report: Encodable {
        let directory: String
        let parameters: Int
        let bytes: Int
        let tensorCount: Int
        let dtypes: [String: Int]
        let layers: Int
        let gatedLayers: Int
        let hiddenSize: Int
        let vocabulary: Int
        let imageTokens: Int
        let problem: String?
        let unexpected: [String]
        let memory: Memory?
        let tensors: [TensorRow]?
    }

    func run() async throws {
        let files = ModelFiles(directory: try await modelOptions.directory())
        let config = try files.config()
        let checkpoint = try Checkpoint(directory: files.directory)
        let rows = checkpoint.tensorNames.compactMap { checkpoint.metadata(named: $0) }
        var unexpected: [String] = []
        var problem: String?
        var plan: MemoryPlan?
        do {
            let found = try files.model(config, memory: memoryOptions.budget)
            unexpected = found.unexpected
            plan = found.memoryPlan
        } catch let error as CheckpointError {
            problem = error.description
        }
        let report = Report(
            directory: files.directory.path,
            parameters: rows.reduce(0) { $0 + $1.shape.reduce(1, *) },
            bytes: rows.reduce(0) { $0 + $1.byteCount },
            tensorCount: rows.count,
            dtypes: rows.reduce(into: [:]) { $0[$1.dtype.rawValue, default: 0] += 1 },
            layers: config.numHiddenLayers,
            gatedLayers: config.numGatedLayers,
            hiddenSize: config.hiddenSize,
            vocabulary: config.totalVocabSize,
            imageTokens: config.imageTokens,
            problem: problem,
            unexpected: unexpected,
            memory: plan.map(Memory.init),
            tensors: tensors
                ? rows.map { TensorRow(name: $0.name, dtype: $0.dtype.rawValue, shape: $0.shape, file: $0.fileName) }
                : nil
        )
        if json { try Terminal.writeJSON(report, isPretty: true) } else { try write(report, plan) }
        if problem != nil { throw ExitCode.failure }
    }

    private func write(_ report: Report, _ plan: MemoryPlan?) throws {
        try Terminal.write(
            """
            directory    \(printable(report.directory))
            parameters   \(report.parameters) in \(report.tensorCount) tensors, \(Format.bytes(Int64(report.bytes)))
            types        \(report.dtypes.sorted { $0.key < $1.key }.map { "\($0.value) × \(printable($0.key))" }.joined(separator: ", "))
            decoder      \(report.layers) layers of \(report.hiddenSize), \(report.gatedLayers) gated blocks
            vocabulary   \(report.vocabulary)
            image        \(report.imageTokens) tokens
            fits         \(report.problem ?? "yes")
            memory       \(plan.map(MemoryOptions.warning) ?? "the weights fit")

            """
        )
        for name in report.unexpected { try Terminal.write("unknown      \(printable(name))\n") }
        for row in report.tensors ?? [] {
            try Terminal.write("\(printable(row.name))  \(row.dtype) \(row.shape)  \(printable(row.file))\n")
        }
    }
}
