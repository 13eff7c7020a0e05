// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import IdeficsTensor

/// Everything that changes in a run: with the recipe it decides all that follows, bit for bit.
public struct TrainingState: Sendable {
    /// Values of the parameters, f32, in their order.
    public var values: [Tensor]
    /// What AdamW remembers of them.
    package var moments: [Moments]
    /// The numbers beside them.
    public var progress = Progress()

    /// The numbers of a state.
    public struct Progress: Sendable, Equatable, Codable {
        /// Steps done, those left out included: what the schedule counts.
        public var step = 0
        /// Steps whose update was made: what AdamW's correction counts.
        public var updates = 0
        /// Where in the data the next step begins.
        public var position = DataPosition()
        /// Micro-batches used: what dropout counts.
        public var microBatches: UInt64 = 0
        /// Real tokens used.
        public var tokens = 0
        /// Pictures used.
        public var images = 0
        /// Examples used.
        public var examples = 0
        /// Which steps are left out.
        var spikes = SpikeGuard()

        /// The beginning.
        public init() {}
    }

    /// The beginning, with the parameters' first values.
    package init(values: [Tensor], parameters: [TrainableParameter], optim: TrainingConfig.Optimizer) {
        self.values = values
        moments = parameters.map { Moments($0, optim: optim) }
    }

    /// A state as it was stored.
    init(values: [Tensor], moments: [Moments], progress: Progress) {
        (self.values, self.moments, self.progress) = (values, moments, progress)
    }
}

/// Decides whether a step's gradient is used (spikes of the loss are what the runs of the released models were rolled back for: M4, `memos/README.md`).
package struct SpikeGuard: Sendable, Equatable, Codable {
    /// Running mean of gradient norms.
    private(set) var meanNorm = 0.0
    /// Norms in the mean.
    private(set) var count = 0
    /// Steps left out since the last one that was not.
    package var skippedInARow = 0
    /// Steps left out.
    package private(set) var skipped = 0

    /// One that has seen nothing yet.
    package init() {}

    /// Steps before which the mean says nothing.
    private static let warmUp = 20

    /// Why a step is left out; nil when it is good, which then counts for the mean.
    ///
    /// - Parameters:
    ///   - loss: of the step.
    ///   - norm: of its gradient, before clipping.
    ///   - factor: how many times the mean the norm may be; 0 for any.
    /// - Returns: the reason.
    package mutating func reason(loss: Double, norm: Double, factor: Double) -> String? {
        var reason: String?
        if !loss.isFinite {
            reason = "the loss is \(loss)"
        } else if !norm.isFinite {
            reason = "the norm of the gradient is \(norm)"
        } else if factor > 0, count >= Self.warmUp, norm > factor * meanNorm {
            reason = "the norm of the gradient, \(norm), is more than \(factor) times the mean, \(meanNorm)"
        }
        if reason != nil {
            skip()
        } else {
            skippedInARow = 0
            count += 1
            // A plain mean at first, then one over about the last 100 steps.
            meanNorm += (norm - meanNorm) / Double(min(count, 100))
        }
        return reason
    }

    /// Counts a step that is left out.
    package mutating func skip() {
        skippedInARow += 1
        skipped += 1
    }
}

extension TrainingState {
    /// One step of AdamW over all parameters, in their order.
    ///
    /// A parameter that this step's loss does not depend on, such as those of the gated blocks where there is no image,
    /// has a gradient of zeros, as in torch: its moments decay, it goes on in the direction it had, and it is decayed.
    /// What no loss depends on stays as it is.
    ///
    /// - Parameters:
    ///   - gradients: one for each parameter; nil where the loss does not depend on it.
    ///   - scale: multiplies them, for clipping.
    ///   - learningRate: of the step.
    ///   - parameters: their names.
    ///   - config: the numbers of AdamW.
    package mutating func update(
        _ gradients: [Tensor?],
        scale: Double,
        learningRate: Double,
        parameters: [TrainableParameter],
        config: TrainingConfig
    ) {
        progress.updates += 1
        for (index, gradient) in gradients.enumerated() {
            let parameter = parameters[index]
            guard parameter.isInGraph else { continue }
            moments[index].step(
                &values[index],
                gradient: gradient ?? .zeros(parameter.shape),
                AdamWStep(
                    learningRate: Float(learningRate * config.learningRateMultiplier(parameter.name)),
                    beta1: Float(config.adamBeta1),
                    beta2: Float(config.adamBeta2),
                    eps: Float(config.adamEpsilon),
                    weightDecay: config.isDecayed(parameter.name) ? Float(config.weightDecay) : 0,
                    gradientScale: Float(scale),
                    step: progress.updates
                )
            )
        }
    }
}

extension TrainableParameter {
    /// Whether a loss can depend on it: whether torch's gradient of it is a tensor, if only of zeros.
    ///
    /// Transformers runs every part of the model in each step: a batch without images has one of zeros, which no token
    /// sees. Only the norm behind the vision tower leads nowhere.
    var isInGraph: Bool { !name.contains("vision_model.post_layernorm.") }
}
