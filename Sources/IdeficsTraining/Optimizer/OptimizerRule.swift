// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import IdeficsTensor

/// How a parameter follows its gradient.
///
/// A rule holds numbers and no tensors: what it remembers of each parameter is the store's, so that a store may keep a
/// part of it elsewhere.
package protocol OptimizerRule: Sendable {
    /// How what it remembers of a parameter is held.
    ///
    /// - Parameters:
    ///   - name: of the parameter.
    ///   - count: of its elements.
    /// - Returns: the kind.
    func momentKind(of name: String, count: Int) -> Moments.Kind

    /// Changes a parameter, and what is remembered of it, in place.
    ///
    /// - Parameters:
    ///   - value: the parameter.
    ///   - moments: what is remembered of it.
    ///   - gradient: its gradient.
    ///   - group: settings of the parameter.
    ///   - step: numbers of the update.
    func update(
        _ value: inout Tensor,
        moments: inout Moments,
        gradient: Tensor,
        group: ParameterGroup,
        step: OptimizerStep
    )
}
