// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

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
