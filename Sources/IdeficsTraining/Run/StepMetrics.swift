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
    /// Pictures since the run began.
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

/// Scores of the evaluation data.
public struct EvaluationMetrics: Sendable, Equatable {
    /// Cross-entropy, nats a token.
    public let loss: Double
    /// Tokens that counted.
    public let tokens: Int
    /// Conversations of which the assistant's turns alone counted.
    public let answers: Int
    /// Those in which each token of each answer is the likeliest, so that greedy search gives all answers exactly.
    public let rightAnswers: Int
    /// How often the most common answer is the right one.
    public let mostCommonAnswers: Int

    /// Counts of an evaluation.
    package init(loss: Double, tokens: Int, answers: Int, rightAnswers: Int, mostCommonAnswers: Int) {
        self.loss = loss
        self.tokens = tokens
        self.answers = answers
        self.rightAnswers = rightAnswers
        self.mostCommonAnswers = mostCommonAnswers
    }

    /// Share of answers that are right; nil without answers.
    public var accuracy: Double? { answers > 0 ? Double(rightAnswers) / Double(answers) : nil }
    /// Share of the most common answer; nil without answers.
    public var majority: Double? { answers > 0 ? Double(mostCommonAnswers) / Double(answers) : nil }
}

/// What a run tells while it goes on.
public enum TrainingEvent: Sendable {
    /// It begins, at this step of so many.
    case started(step: Int, total: Int, parameters: Int, elements: Int)
    /// A step is done; how long the rest takes is not known in the first steps of a process.
    case step(StepMetrics, total: Int, secondsLeft: Double?)
    /// A step's update was left out.
    case skippedStep(step: Int, reason: String)
    /// Weights and moments of a checkpoint came back after too many steps left out.
    case rolledBack(step: Int, toStep: Int)
    /// An example was left out.
    case skippedExample(TrainingError)
    /// The evaluation data was scored.
    case evaluated(step: Int, EvaluationMetrics)
    /// What the model writes now.
    case sample(step: Int, prompt: String, text: String)
    /// A checkpoint is whole and on the disk.
    case saved(step: Int, path: String)
    /// A checkpoint could not be written; the earlier ones are as they were.
    case saveFailed(step: Int, reason: String)
    /// An error ends the run, which can go on after `step`.
    case interrupted(step: Int, by: any Error)
    /// The trained model is written.
    case exported(path: String)
}
