// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// What is known of a step, or of several since the last line; keys of `metrics.jsonl`.
public struct StepMetrics: Sendable, Equatable, Codable {
    /// The step, counted from 1.
    public var step: Int
    /// How often the data has been gone through.
    public var epoch: Double
    /// Cross-entropy, nats a token, mean over the targets of the steps since the last line.
    public var loss: Double
    /// Mean of logsumexp², likewise; what the z-loss weighs.
    public var zLoss: Double
    /// Norm of the last step's gradient before clipping.
    public var gradNorm: Double
    /// Learning rate of the last step.
    public var learningRate: Double
    /// Real tokens since the run began.
    public var tokens: Int
    /// Images since the run began.
    public var images: Int
    /// Tokens that are no real ones, of all that were computed: 0, for batches are ragged below the processor.
    public var paddingShare: Double
    /// Real tokens a second since the last line.
    public var tokensPerSecond: Double
    /// Share of the machine's peak, or of `peakFlops`, that the products with weights reached.
    public var modelFlopsUtilization: Double
    /// Seconds since the last line.
    public var seconds: Double
    /// Steps left out since the run began.
    public var skippedSteps: Int
    /// Cross-entropy of the evaluation data, where this step was evaluated.
    public var evalLoss: Double?
    /// Share of the evaluation data's answers that greedy search gives word for word, where there are answers.
    public var evalAccuracy: Double?
    /// Share of the evaluation data's most common answer: what saying always the same would reach.
    public var evalMajority: Double?

    /// A line of all its numbers.
    package init(
        step: Int,
        epoch: Double,
        loss: Double,
        zLoss: Double,
        gradNorm: Double,
        learningRate: Double,
        tokens: Int,
        images: Int,
        paddingShare: Double,
        tokensPerSecond: Double,
        modelFlopsUtilization: Double,
        seconds: Double,
        skippedSteps: Int,
        evaluation: EvaluationMetrics?
    ) {
        self.step = step
        self.epoch = epoch
        self.loss = loss
        self.zLoss = zLoss
        self.gradNorm = gradNorm
        self.learningRate = learningRate
        self.tokens = tokens
        self.images = images
        self.paddingShare = paddingShare
        self.tokensPerSecond = tokensPerSecond
        self.modelFlopsUtilization = modelFlopsUtilization
        self.seconds = seconds
        self.skippedSteps = skippedSteps
        evalLoss = evaluation?.loss
        evalAccuracy = evaluation?.accuracy
        evalMajority = evaluation?.majority
    }
}
