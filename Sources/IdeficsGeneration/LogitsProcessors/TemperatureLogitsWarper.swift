// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Divides the scores by a temperature: below 1 sharpens the distribution, above 1 flattens it.
public struct TemperatureLogitsWarper: LogitsProcessor {
    private let temperature: Float

    /// Creates the warper; the temperature must be above 0.
    public init(temperature: Double) {
        self.temperature = Float(temperature)
    }

    /// Divides every score.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        // A division, not a product with the reciprocal: the last bit shall be torch's.
        for index in scores.indices {
            scores[index] /= temperature
        }
    }
}
