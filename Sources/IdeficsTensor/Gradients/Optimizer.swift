// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The numbers of one step of AdamW.
public struct AdamWStep: Sendable, Equatable {
    /// The step's learning rate.
    public var learningRate: Float
    /// Decay of the mean of gradients.
    public var beta1: Float
    /// Decay of the mean of squared gradients.
    public var beta2: Float
    /// Added to the root of the mean square.
    public var eps: Float
    /// Decoupled decay: parameters shrink by learningRate · weightDecay.
    public var weightDecay: Float
    /// Multiplies gradients first: clipping, averaging.
    public var gradientScale: Float
    /// The step, counted from 1.
    public var step: Int

    /// A step; the defaults are torch's, without decay.
    public init(
        learningRate: Float,
        beta1: Float = 0.9,
        beta2: Float = 0.999,
        eps: Float = 1e-8,
        weightDecay: Float = 0,
        gradientScale: Float = 1,
        step: Int
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.weightDecay = weightDecay
        self.gradientScale = gradientScale
        self.step = step
    }
}

/// One step of AdamW (Loshchilov and Hutter, arXiv:1711.05101) in the order of torch.
///
/// All four tensors are f32 and of one size. Parameters and moments are changed in place where nobody else holds their
/// memory, and copied first where somebody does (a model that was built from them).
public func adamWStep(
    _ parameter: inout Tensor,
    firstMoment: inout Tensor,
    secondMoment: inout Tensor,
    gradient: Tensor,
    _ step: AdamWStep
) {
    precondition(
        [firstMoment, secondMoment, gradient].allSatisfy { $0.count == parameter.count },
        "adamWStep: \(parameter.shape), moments \(firstMoment.shape) \(secondMoment.shape), gradient \(gradient.shape)"
    )
    gradient.training.adamW(
        &parameter,
        firstMoment: &firstMoment,
        secondMoment: &secondMoment,
        gradient: gradient,
        step
    )
}

/// One step of AdamW whose moments have 8 bits (Dettmers et al., arXiv:2110.02861): two bytes an element where f32 takes
/// eight.
///
/// Moments are widened, changed and rounded again a block of 256 at a time, as bitsandbytes does it but for one point: a
/// mean of squares that is not 0 is never rounded to 0, or an element whose gradient vanishes would be divided by eps.
///
/// - Precondition: the first moment is signed, the second unsigned; sizes are those of the parameter.
public func adamWStep(
    _ parameter: inout Tensor,
    firstMoment: inout DynamicTensor,
    secondMoment: inout DynamicTensor,
    gradient: Tensor,
    _ step: AdamWStep
) {
    precondition(
        [firstMoment.codes, secondMoment.codes, gradient].allSatisfy { $0.count == parameter.count }
            && firstMoment.map == .signed && secondMoment.map == .unsigned,
        "adamWStep: \(parameter.shape), moments \(firstMoment.codes.shape) \(secondMoment.codes.shape), "
            + "gradient \(gradient.shape)"
    )
    gradient.training.adamW(
        &parameter,
        firstMoment: &firstMoment,
        secondMoment: &secondMoment,
        gradient: gradient,
        step
    )
}

/// Σ x², summed in a fixed order.
public func squaredNorm(_ x: Tensor) -> Double {
    x.training.dot(x, x)
}
