// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Adds a gradient to a sum of gradients of the same tensor, in place where nobody else holds the sum's memory.
///
/// - Parameters:
///   - gradient: f32.
///   - sum: f32, as many elements.
package func accumulate(_ gradient: Tensor, into sum: inout Tensor) {
    precondition(sum.count == gradient.count, "accumulate: \(gradient.shape) added to \(sum.shape)")
    gradient.training.accumulate(gradient, into: &sum, at: 0)
}
