// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTensor

/// The operations a second that the machine can do at best, with which a run is compared.
///
/// One measurement at the start would be too low whenever the machine is busy, or its clock not yet up, just then, and
/// every share of it too high for the whole run. So the best of several is taken, some more are made as the run goes on,
/// and a rate that the run itself reached counts as well: the machine can do at least that. No share is above 1, then,
/// unless the peak was given.
package struct PeakRate {
    /// The best rate known.
    package private(set) var best: Double
    private let measure: (() -> Double)?
    private var measured = ContinuousClock.now

    /// Measurements at a time.
    private static let repetitions = 3
    /// Time between measurements, some 10 ms each.
    private static let interval = Duration.seconds(20)

    /// A peak that was given, or what `measure` finds.
    ///
    /// - Parameters:
    ///   - given: operations a second; 0 to measure.
    ///   - measure: the operations a second of one short measurement.
    package init(given: Double, measure: @escaping () -> Double) {
        best = given
        self.measure = given > 0 ? nil : measure
        improve()
    }

    /// The peak of this machine for products in bf16 or in f32.
    package init(given: Double, isBF16: Bool) {
        self.init(given: given) { isBF16 ? EngineLimits.bf16Rate() : EngineLimits.multiplyAddRate() }
    }

    /// `rate` as a share of the peak.
    ///
    /// - Parameters:
    ///   - rate: operations a second that were reached.
    ///   - now: the time, which tells whether to measure again.
    /// - Returns: the share, at most 1 where the peak was not given; 0 if there is no peak.
    package mutating func share(of rate: Double, now: ContinuousClock.Instant = .now) -> Double {
        if measure != nil {
            if rate > best || now - measured > Self.interval {
                improve()
                measured = now
            }
            best = max(best, rate)
        }
        return best > 0 ? rate / best : 0
    }

    private mutating func improve() {
        guard let measure else { return }
        for _ in 0..<Self.repetitions { best = max(best, measure()) }
    }
}
