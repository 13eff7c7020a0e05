// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A seedable generator of random numbers with independent streams: xoshiro256** (Blackman and Vigna, 2018).
///
/// The 256 bits of state are four outputs of SplitMix64 started at `seed` after the stream number was mixed into it by
/// one SplitMix64 output. The same seed and stream give the same numbers on every machine; streams of one seed are
/// unrelated, so each sequence draws from its own and does not notice its neighbours.
package struct RandomStream: RandomNumberGenerator, Sendable, Equatable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// Starts stream number `stream` of `seed`.
    package init(seed: UInt64, stream: UInt64 = 0) {
        var numbering = SplitMix64(seed: stream)
        // Stream 0 must not mean "seed unchanged" for one stream only: every stream goes through the same mixing.
        var mixer = SplitMix64(seed: seed ^ numbering.next())
        state = (mixer.next(), mixer.next(), mixer.next(), mixer.next())
    }

    /// Continues from 256 bits of state, which must not all be zero.
    package init(state: (UInt64, UInt64, UInt64, UInt64)) {
        self.state = state
    }

    /// The next 64 random bits.
    package mutating func next() -> UInt64 {
        let product = state.1 &* 5
        let result = ((product << 7) | (product >> 57)) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = (state.3 << 45) | (state.3 >> 19)
        return result
    }

    /// A number drawn evenly from [0, 1): the top 53 bits of ``next()``.
    package mutating func uniform() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// A number drawn evenly from (0, 1), for use under a logarithm.
    package mutating func openUniform() -> Double {
        (Double(next() >> 12) + 0.5) * 0x1p-52
    }

    /// Whether two generators will give the same numbers from here on.
    package static func == (a: RandomStream, b: RandomStream) -> Bool {
        a.state == b.state
    }
}
