// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import Testing

@Suite struct RandomStreamTests {
    @Test func randomStreamKnownAnswers() {
        // Published test vectors: xoshiro256** from state 1, 2, 3, 4; SplitMix64 from 1234567.
        var random = RandomStream(state: (1, 2, 3, 4))
        let words = (0..<6).map { _ in random.next() }
        #expect(
            words == [
                11520, 0, 1_509_978_240, 1_215_971_899_390_074_240, 1_216_172_134_540_287_360, 607_988_272_756_665_600,
            ]
        )
        var mixer = SplitMix64(seed: 1_234_567)
        let mixed = (0..<3).map { _ in mixer.next() }
        #expect(mixed == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
    }

    @Test func randomStreamsAreReproducibleAndUnrelated() {
        var seen: Set<UInt64> = []
        for seed in 0..<20 as Range<UInt64> {
            for stream in 0..<20 as Range<UInt64> {
                var random = RandomStream(seed: seed, stream: stream)
                var again = RandomStream(seed: seed, stream: stream)
                #expect(random == again)
                let first = random.next()
                #expect(first == again.next())
                seen.insert(first)
            }
        }
        #expect(seen.count == 400)
        var random = RandomStream(seed: 1)
        let numbers = (0..<20_000).map { _ in random.uniform() }
        #expect(numbers.allSatisfy { (0..<1).contains($0) })
        #expect(abs(numbers.reduce(0, +) / 20_000 - 0.5) < 0.01)
    }
}
