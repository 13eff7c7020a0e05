// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor

/// Trains: data in, checkpoints and metrics out, until the last step or until it is asked to stop.
///
/// What comes out depends on the model, the data and the recipe alone, bit for bit: not on threads, not on how often the
/// run was killed and resumed. It computes on a thread of its own; the next step's images are made ready meanwhile.
public actor Trainer {
    /// How a run ended.
    public enum Outcome: Sendable, Equatable {
        /// At its last step; the trained model is written.
        case finished
        /// It was asked to; a checkpoint is written.
        case stopped
    }

    let recipe: TrainingRecipe
    package nonisolated let trainable: any TrainableParameters
    let parts: TrainingParts
    let folder: RunFolder
    let report: @Sendable (TrainingEvent) -> Void
    let modelIdentity: ModelIdentity
    private var lock: RunLock?
    let totalSteps: Int
    package var state: TrainingState
    private let thread = ComputeThread(name: "idefics.training")
    /// The next step's micro-batches, on their way.
    var ahead: Task<StepBatches, Never>?
    /// Step of the newest checkpoint.
    var savedStep: Int?
    /// Why the last step that was left out was.
    var lastProblem: String?

    /// Computation runs on the trainer's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Prepares a run of the recipe's own data, or finds where an earlier one was.
    ///
    /// - Parameters:
    ///   - recipe: what to do.
    ///   - directory: the model's directory, for its tokenizer and image processor.
    ///   - trainable: what is trained.
    ///   - data: the recipe's data, if somebody has looked at it already; nil to read it here.
    ///   - isResuming: whether the run goes on from the last checkpoint in its folder, if there is one.
    ///   - report: reports what happens.
    /// - Throws: what reading recipe, data and model throws; `TrainingError.run` when the folder holds what a run writes
    ///   and the run is not to resume, when that is not of this run, and when the folder is the model's or lies in it.
    public init(
        recipe: TrainingRecipe,
        directory: URL,
        trainable: any TrainableParameters,
        data: CheckedData? = nil,
        isResuming: Bool = false,
        report: @escaping @Sendable (TrainingEvent) -> Void = { _ in }
    ) throws {
        try self.init(
            recipe: recipe,
            directory: directory,
            trainable: trainable,
            parts: TrainingParts(
                recipe: recipe,
                directory: directory,
                trainable: trainable,
                data: data,
                report: report
            ),
            isResuming: isResuming,
            report: report
        )
    }

    /// Prepares a run of other parts, or finds where an earlier one was.
    ///
    /// - Parameters:
    ///   - recipe: what to do.
    ///   - directory: the model's directory.
    ///   - trainable: what is trained.
    ///   - parts: data, store, evaluators and sinks; those that the recipe names are not used.
    ///   - isResuming: whether the run goes on from the last checkpoint in its folder, if there is one.
    ///   - report: reports what happens.
    /// - Throws: as `init(recipe:directory:trainable:data:isResuming:report:)`, and what the parts throw.
    public init(
        recipe: TrainingRecipe,
        directory: URL,
        trainable: any TrainableParameters,
        parts: TrainingParts,
        isResuming: Bool = false,
        report: @escaping @Sendable (TrainingEvent) -> Void = { _ in }
    ) throws {
        try recipe.validate()
        self.recipe = recipe
        self.trainable = trainable
        self.parts = parts
        self.report = report
        modelIdentity = try ModelIdentity(directory: directory)
        totalSteps = try recipe.trainer.steps(of: parts.source)
        folder = RunFolder(recipe.output)
        try folder.checkApart(
            resultName: recipe.resultName,
            from: [directory] + [recipe.lora?.adapter].compactMap { $0.map { URL(localPath: $0) } }
        )
        lock = try folder.prepare(resultName: recipe.resultName, isResuming: isResuming)
        if let last = folder.checkpointSteps().last {
            let progress = try folder.progress(last, recipe: recipe, source: parts.source, model: modelIdentity)
            state = TrainingState(parameters: try parts.store(folder.checkpoint(last)), progress: progress)
        } else {
            state = TrainingState(
                parameters: try parts.store(nil),
                progress: TrainingState.Progress(position: parts.source.start)
            )
        }
    }

    /// Trains to the end; once.
    ///
    /// - Parameter stop: ends the run after the step it is at.
    /// - Returns: how it ended.
    /// - Throws: what data, model and the checkpoint of a run that was stopped throw, after a checkpoint of the last whole
    ///   step; `TrainingError.run` when every step was left out. Another checkpoint that could not be written is reported
    ///   and the run goes on, to its result.
    public func run(stop: StopRequest = StopRequest()) async throws -> Outcome {
        defer {
            ahead?.cancel()
            lock = nil
        }
        let config = recipe.trainer
        // Gradients are freed and made again in every step.
        let memory = Engine.keepFreedMemory(forTraining: trainable, accumulates: config.gradientAccumulationSteps > 1)
        defer { withExtendedLifetime(memory) {} }
        report(
            .started(
                step: state.progress.step,
                total: totalSteps,
                parameters: trainable.parameters.count,
                elements: trainable.parameters.reduce(0) { $0 + $1.count }
            )
        )
        var log = TrainingLog(try sinks(), peak: PeakRate(given: config.peakFlops, isBF16: config.bf16))
        savedStep = folder.checkpointSteps().last
        do {
            if config.evalOnStart, state.progress.step == 0 { _ = try await evaluate(&log) }
            try await makeSteps(&log, stop: stop)
        } catch {
            keepWhatIsDone(&log, error)
            throw error
        }
        if log.hasSteps { _ = log.line(state.progress, epoch: epoch, evaluation: nil) }
        if savedStep != state.progress.step {
            // What was learned is exported all the same; a run that was stopped has nothing but its checkpoint.
            if state.progress.step >= totalSteps, state.progress.updates > 0 {
                saveIfPossible(log)
            } else {
                try save(log)
            }
        }
        guard state.progress.step >= totalSteps else { return .stopped }
        guard state.progress.updates > 0 else {
            let last = lastProblem.map { ": in the last one \($0)" } ?? ""
            throw TrainingError.run(
                path: recipe.output,
                reason: "all \(totalSteps) steps were left out, so nothing was learned and nothing is exported\(last)"
            )
        }
        try export()
        // The curve matters less than the result, for which alone there may be room.
        log.finish()
        return .finished
    }

    private func sinks() throws -> [any MetricsSink] {
        do {
            return try parts.sinks(folder.url, state.progress.step)
        } catch {
            throw TrainingError.run(path: folder.url.path, reason: "metrics cannot be written: \(error)")
        }
    }

    private func makeSteps(_ log: inout TrainingLog, stop: StopRequest) async throws {
        let config = recipe.trainer
        var timeLeft = TimeLeft()
        while state.progress.step < totalSteps, !stop.isStopping {
            try await makeStep(&log)
            timeLeft.add()
            let step = state.progress.step
            let isLast = step == totalSteps
            var evaluation: EvaluationMetrics?
            let isDue = config.evalSteps > 0 && step % config.evalSteps == 0
            if isDue || isLast && !parts.evaluators.isEmpty { evaluation = try await evaluate(&log) }
            if step % config.loggingSteps == 0 || isLast || evaluation != nil {
                let metrics = log.line(state.progress, epoch: epoch, evaluation: evaluation)
                report(.step(metrics, total: totalSteps, secondsLeft: timeLeft.seconds(for: totalSteps - step)))
            }
            if config.saveSteps > 0, step % config.saveSteps == 0, !isLast { saveIfPossible(log) }
        }
    }
}
