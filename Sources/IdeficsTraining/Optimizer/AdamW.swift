// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import IdeficsTensor

/// AdamW in torch's order, with moments in f32 or in 8 bits as bitsandbytes has them.
package struct AdamW: OptimizerRule {
    private let beta1: Float
    private let beta2: Float
    private let eps: Float
    private let optim: TrainingConfig.Optimizer

    /// The rule of a recipe.
    package init(_ config: TrainingConfig) {
        beta1 = Float(config.adamBeta1)
        beta2 = Float(config.adamBeta2)
        eps = Float(config.adamEpsilon)
        optim = config.optim
    }

    /// Elements below which 8 bits save nothing worth having (bitsandbytes' `min_8bit_size`).
    private static let dynamicCount = 4096

    /// Moments of embeddings, where most elements have no gradient in most steps, stay in f32 (as in transformers).
    package func momentKind(of name: String, count: Int) -> Moments.Kind {
        let isDynamic =
            optim == .adamw8bit && count >= Self.dynamicCount
            && !["embed_tokens.", "position_embedding."].contains { name.contains($0) }
        return isDynamic ? .dynamic : .f32
    }

    /// One step of AdamW.
    package func update(
        _ value: inout Tensor,
        moments: inout Moments,
        gradient: Tensor,
        group: ParameterGroup,
        step: OptimizerStep
    ) {
        let step = AdamWStep(
            learningRate: Float(step.learningRate * group.learningRateMultiplier),
            beta1: beta1,
            beta2: beta2,
            eps: eps,
            weightDecay: Float(group.weightDecay),
            gradientScale: Float(step.gradientScale),
            step: step.number
        )
        // Taken out first: the step works in place only where nobody else holds the tensors.
        switch moments.take() {
        case .f32(var first, var second):
            adamWStep(&value, firstMoment: &first, secondMoment: &second, gradient: gradient, step)
            moments = .f32(first: first, second: second)
        case .dynamic(var first, var second):
            adamWStep(&value, firstMoment: &first, secondMoment: &second, gradient: gradient, step)
            moments = .dynamic(first: first, second: second)
        case .taken: break
        }
    }
}
