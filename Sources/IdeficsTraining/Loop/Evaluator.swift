// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Idefics

/// Says how good a model is now, while it is trained.
public protocol Evaluator: Sendable {
    /// Looks at a model.
    ///
    /// - Parameters:
    ///   - model: of today's values.
    ///   - step: after which step.
    ///   - report: called with what the model writes and of examples that are left out.
    /// - Returns: the scores; nil for an evaluator that gives none.
    /// - Throws: what data and model throw; it ends the run.
    func evaluate(
        _ model: IdeficsModel,
        step: Int,
        report: (TrainingEvent) -> Void
    ) async throws -> EvaluationMetrics?
}
