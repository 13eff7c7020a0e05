// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// SplitMix64: the same numbers on every machine, so that failures can be repeated.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var numbers: SplitMix64

    /// The sequence of `seed`.
    public init(seed: UInt64) {
        numbers = SplitMix64(seed: seed)
    }

    /// The next number.
    public mutating func next() -> UInt64 {
        numbers.next()
    }
}
