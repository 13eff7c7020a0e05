// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsTraining
import Testing

@Suite struct PeakRateTests {
    /// One measurement that was disturbed makes no share above 1; nor does a machine that is faster than it was measured.
    @Test func isTheBestThatIsKnown() {
        var rates = [3.0, 10, 8, 9, 12, 11]
        let start = ContinuousClock.now
        var peak = PeakRate(given: 0) { rates.isEmpty ? 5 : rates.removeFirst() }
        #expect(peak.best == 10)
        #expect(peak.share(of: 5, now: start) == 0.5 && rates.count == 3)
        // A rate above the peak is reason to measure again, and so is time.
        #expect(peak.share(of: 11, now: start) == 11.0 / 12 && rates.isEmpty)
        #expect(peak.share(of: 20, now: start) == 1 && peak.best == 20)
        rates = [30]
        #expect(peak.share(of: 15, now: start) == 0.75)
        #expect(peak.share(of: 15, now: start + .seconds(60)) == 0.5)
    }

    @Test func isTakenAsGiven() {
        var peak = PeakRate(given: 4) { 100 }
        #expect(peak.share(of: 5) == 1.25 && peak.best == 4)
    }

    /// Nothing is said after the first steps, and the first one is no measure of the rest.
    @Test func timeLeftIsToldBySteps() {
        let start = ContinuousClock.now
        var left = TimeLeft()
        #expect(left.seconds(for: 10, now: start) == nil)
        left.add(now: start + .seconds(100))
        #expect(left.seconds(for: 9, now: start + .seconds(100)) == nil)
        left.add(now: start + .seconds(102))
        #expect(left.seconds(for: 8, now: start + .seconds(102)) == nil)
        left.add(now: start + .seconds(104))
        #expect(left.seconds(for: 7, now: start + .seconds(104)) == 14)
        // An evaluation comes again and counts.
        #expect(left.seconds(for: 7, now: start + .seconds(108)) == 28)
        #expect(TimeLeft().seconds(for: 0) == 0)
    }
}
