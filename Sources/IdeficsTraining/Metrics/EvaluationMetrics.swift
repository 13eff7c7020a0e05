// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

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
