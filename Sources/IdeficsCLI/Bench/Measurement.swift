// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsTensor

/// One thing to measure against a limit of the machine.
struct Measurement {
    /// Which limit bounds it.
    enum Bound: String, Encodable {
        /// Bytes read from main memory a second.
        case memory
        /// f32 multiply-adds a second.
        case compute
        /// Multiply-adds of bf16 a second.
        case bf16
        /// 8-bit integer multiply-adds a second.
        case integer
    }

    let name: String
    let bound: Bound
    /// Bytes or operations of one step, known when it has run.
    let work: () -> Double
    /// Steps of one run; times and rates are those of a step.
    let steps: Int
    /// Tokens of one step, where it is tokens that count.
    let tokens: Int?
    /// Makes what it works on (perhaps gigabytes) and returns what runs it once.
    let prepare: () throws -> () throws -> Void

    init(
        name: String,
        bound: Bound,
        work: @autoclosure @escaping () -> Double,
        steps: Int = 1,
        tokens: Int? = nil,
        prepare: @escaping () throws -> () throws -> Void
    ) {
        self.name = name
        self.bound = bound
        self.work = work
        self.steps = steps
        self.tokens = tokens
        self.prepare = prepare
    }
}

/// What was measured, medians over the rounds.
struct MeasurementResult: Encodable {
    let name: String
    let bound: Measurement.Bound
    /// Seconds of one step.
    let seconds: Double
    /// Bytes or operations a second.
    let rate: Double
    /// The rate as a share of the limit of the same round.
    let shareOfLimit: Double
    /// Tokens a second, of all sequences together.
    let tokensPerSecond: Double?
}

/// The limits, medians over the rounds.
struct LimitResult: Encodable {
    let memoryReadBytesPerSecond: Double
    let multiplyAddPerSecond: Double
    let integerPerSecond: Double
}

/// Measures limits and operations in turns, so that a machine whose clock drifts still gives honest ratios: the limit of a
/// round is the best rate measured right before and right after what it bounds.
struct MeasurementRun {
    let rounds: Int
    /// Memory for the read limit, much larger than the caches.
    let readBuffer: Tensor

    /// Runs all measurements `rounds` times in turn; each is between two measurements of its limit.
    func callAsFunction(
        _ measurements: [Measurement],
        progress: (String) -> Void
    ) throws -> (limits: LimitResult, results: [MeasurementResult]) {
        var samples: [[(seconds: Double, share: Double)]] = measurements.map { _ in [] }
        let runs = try measurements.map { try $0.prepare() }
        var limits: [Measurement.Bound: [Double]] = [:]
        for round in 0...rounds {  // round 0 warms up
            for (index, measurement) in measurements.enumerated() {
                progress("round \(round) of \(rounds): \(measurement.name)")
                let before = limit(measurement.bound)
                let seconds = try Self.time(runs[index]) / Double(measurement.steps)
                let limit = max(before, self.limit(measurement.bound))
                if round == 0 { continue }
                samples[index].append((seconds, measurement.work() / seconds / limit))
                limits[measurement.bound, default: []].append(limit)
            }
        }
        let results = zip(measurements, samples).map { measurement, samples in
            let seconds = samples.map(\.seconds).median
            return MeasurementResult(
                name: measurement.name,
                bound: measurement.bound,
                seconds: seconds,
                rate: measurement.work() / seconds,
                shareOfLimit: samples.map(\.share).median,
                tokensPerSecond: measurement.tokens.map { Double($0) / seconds }
            )
        }
        func median(_ bound: Measurement.Bound) -> Double { limits[bound]?.median ?? limit(bound) }
        let limitResult = LimitResult(
            memoryReadBytesPerSecond: median(.memory),
            multiplyAddPerSecond: median(.compute),
            integerPerSecond: median(.integer)
        )
        return (limitResult, results)
    }

    /// The best of some measurements: a single short one is easily disturbed, and what is disturbed is no limit.
    private func limit(_ bound: Measurement.Bound) -> Double {
        (0..<3).reduce(0) { best, _ in max(best, rate(bound)) }
    }

    private func rate(_ bound: Measurement.Bound) -> Double {
        switch bound {
        case .memory: EngineLimits.memoryReadRate(readBuffer)
        case .compute: EngineLimits.multiplyAddRate()
        case .bf16: EngineLimits.bf16Rate()
        case .integer: EngineLimits.integerRate()
        }
    }

    /// Seconds of one run; short ones are repeated for at least 50 ms.
    private static func time(_ run: () throws -> Void) rethrows -> Double {
        let clock = ContinuousClock()
        var count = 0
        let start = clock.now
        var elapsed = 0.0
        repeat {
            try run()
            count += 1
            elapsed = (clock.now - start) / .seconds(1)
        } while elapsed < 0.05
        return elapsed / Double(count)
    }
}

extension [Double] {
    /// The middle value, or the mean of the two in the middle; 0 when empty.
    var median: Double {
        let sorted = sorted()
        guard !isEmpty else { return 0 }
        return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2
    }
}
