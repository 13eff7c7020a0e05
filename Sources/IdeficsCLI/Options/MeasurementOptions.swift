// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics
import IdeficsTensor

/// How the parts of `idefics bench` measure and report.
struct MeasurementOptions: ParsableArguments {
    @Option(help: "Rounds; medians are over these. One more warms up.")
    var rounds = 5

    @Option(help: "Memory to read for the bandwidth limit, in MiB; well above the last-level cache.")
    var readMemory = 1024

    @Option(help: "Only the measurement of this name, or those whose name contains it (repeatable).")
    var only: [String] = []

    @Flag(help: "Write one JSON object instead of a table: seconds, bytes, operations and tokens a second.")
    var json = false

    @OptionGroup var threadOptions: ThreadOptions

    func validate() throws {
        guard 1...1000 ~= rounds else { throw ValidationError("--rounds \(rounds): must be 1 to 1000") }
        guard 16...65_536 ~= readMemory else {
            throw ValidationError("--read-memory \(readMemory): must be 16 to 65536")
        }
    }

    /// Bytes of the memory that is read for the limit.
    var readByteCount: Int { readMemory << 20 }

    private func chosen(_ measurements: [Measurement]) throws -> [Measurement] {
        guard !only.isEmpty else { return measurements }
        let names = measurements.map(\.name)
        let wanted = try only.map { text in
            let found = names.contains(text) ? [text] : names.filter { $0.contains(text) }
            guard !found.isEmpty else {
                let all = names.joined(separator: "; ")
                throw ValidationError("--only \(text): no measurement has that name. There are: \(all)")
            }
            return found
        }
        return measurements.filter { measurement in wanted.contains { $0.contains(measurement.name) } }
    }

    /// Measures what `--only` leaves of `measurements`, in turns.
    func report(_ measurements: [Measurement]) throws -> BenchReport {
        let chosen = try chosen(measurements)
        let run = MeasurementRun(rounds: rounds, readBuffer: RandomWeights(.f32).tensor([readMemory << 18]))
        let (limits, results) = try run(chosen) { Terminal.transient($0) }
        Terminal.transient("")
        return BenchReport(rounds: rounds, limits: limits, results: results)
    }
}
