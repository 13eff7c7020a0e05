// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsCLI
import Testing

/// Numbers for people.
@Suite struct FormatTests {
    /// Perplexities and losses of models that learn nothing are as large as that.
    @Test(arguments: 0...6) func largeNumbersAreWritten(digits: Int) throws {
        for exponent in 30...55 {
            for share in [0.5, 0.7, 0.926384364528381, 0.9999999999, 1] {
                for value in [1, -1].map({ $0 * share * Double(1 << exponent) }) {
                    let text = Format.number(value, digits: digits)
                    let found = try #require(Double(text), "\(value)")
                    #expect(abs(found - value) <= 0.5 + abs(value) * 1e-15, "\(value), \(text)")
                }
            }
        }
    }

    @Test func otherNumbersAreAsTheyWere() {
        #expect(Format.number(926_384_364_528_381, digits: 4) == "926384364528381.0")
        #expect(Format.number(900_719_925_474, digits: 4) == "900719925474.0000")
        #expect(Format.number(1.23456, digits: 4) == "1.2346" && Format.number(-0.00001, digits: 4) == "0.0000")
        #expect(Format.number(123.5, digits: 0) == "124" && Format.number(.infinity, digits: 2) == "inf")
    }
}
