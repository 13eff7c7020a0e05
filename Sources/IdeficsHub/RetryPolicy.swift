// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// How often and when a failed request is repeated: exponential delays with jitter, or as long as the server asks.
public struct RetryPolicy: Sendable, Equatable {
    /// Largest number of attempts without progress.
    public var maxAttempts = 6
    /// Delay before the second attempt; it doubles with each further one.
    public var initialDelay = Duration.milliseconds(500)
    /// Longest delay.
    public var maxDelay = Duration.seconds(30)
    /// Longest `Retry-After` that is obeyed; a longer one ends the download with an error.
    public var maxRetryAfter = Duration.seconds(120)

    /// The default policy: six attempts within about half a minute.
    public init() {}

    /// The pause after so many failures.
    ///
    /// Half of it is random, so that many clients do not come back at the same moment.
    func delay(afterFailures failures: Int, random: Double = .random(in: 0...1)) -> Duration {
        let exponent = min(max(failures - 1, 0), 30)
        return min(maxDelay, initialDelay * (1 << exponent)) * (0.5 + 0.5 * random)
    }

    /// The seconds in a `Retry-After` header; dates, which no hub sends, are not read.
    static func retryAfter(_ value: String?) -> Int64? {
        value.flatMap { Int64($0) }.flatMap { (0...1_000_000).contains($0) ? $0 : nil }
    }
}
