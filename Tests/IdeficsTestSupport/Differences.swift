// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Largest absolute difference of two equally long arrays; NaN counts as infinite.
public func maxDifference(_ a: [Float], _ b: [Float]) -> Float {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).reduce(0) { largest, pair in
        let difference = abs(pair.0 - pair.1)
        return difference.isNaN ? .infinity : max(largest, difference)
    }
}
