// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The cosine of `x` in 0...π, by its Taylor series: the same bits on every system, unlike the C library's.
package func cosine(_ x: Double) -> Double {
    // cos x = −cos(π − x): the series then runs to π/2 at most, where 12 terms leave less than 1e-20.
    if x > .pi / 2 { return -cosine(.pi - x) }
    var (term, sum) = (1.0, 1.0)
    for n in 1...12 {
        term *= -x * x / Double((2 * n - 1) * 2 * n)
        sum += term
    }
    return sum
}
