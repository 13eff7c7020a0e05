// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The numbers of one update that are the same for all parameters.
public struct OptimizerStep: Sendable, Equatable {
    /// Learning rate of the schedule; groups of parameters multiply it.
    public var learningRate: Double
    /// Multiplies gradients first: clipping.
    public var gradientScale: Double
    /// The update, counted from 1; skipped steps are none.
    public var number: Int

    /// An update of these numbers.
    public init(learningRate: Double, gradientScale: Double = 1, number: Int) {
        self.learningRate = learningRate
        self.gradientScale = gradientScale
        self.number = number
    }
}
