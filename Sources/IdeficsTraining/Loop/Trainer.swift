// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import Idefics
import IdeficsFoundation
import IdeficsTensor
import IdeficsTokenizers

/// Trains: data in, checkpoints and metrics out, until the last step or until it is asked to stop.
///
/// What comes out depends on the model, the data and the recipe alone, bit for bit: not on threads, not on how often the
/// run was killed and resumed. It computes on a thread of its own; the next step's pictures are made ready meanwhile.
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
    let processor: IdeficsProcessor
    let directory: URL
    let folder: RunFolder
    let training: TrainingData
    let evaluation: TrainingData?
    let report: @Sendable (TrainingEvent) -> Void
    let identity: DataIdentity
    let modelIdentity: ModelIdentity
    private var lock: RunLock?
    let totalSteps: Int
    package var state: TrainingState
    private let thread = ComputeThread(name: "idefics.training")
    /// The next step's micro-batches, on their way.
    private var ahead: Task<StepBatches, Never>?
    /// Step of the newest checkpoint.
    var savedStep: Int?
    /// Why the last step that was left out was.
    private var lastProblem: String?

    /// Computation runs on the trainer's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Prepares a run, or finds where an earlier one was.
    ///
    /// - Parameters:
    ///   - recipe: what to do.
    ///   - directory: the model's directory, for its tokenizer and image processor.
    ///   - trainable: what is trained.
    ///   - data: the recipe's data, if somebody has looked at it already; nil to read it here.
    ///   - isResuming: whether the run goes on from the last checkpoint in its folder, if there is one.
    ///   - report: hears what happens.
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
        try recipe.validate()
        self.recipe = recipe
        self.directory = directory
        self.trainable = trainable
        self.report = report
        processor = try ModelFiles(directory: directory).processor()
        if let problem = data?.problem { throw problem }
        let file = try data?.training.file ?? ExampleFile(path: recipe.data.train, config: recipe.data)
        training = TrainingData(file, processor: processor, config: recipe.data, lengths: data?.training.lengths)
        let evalFile =
            try data?.evaluation?.file ?? recipe.data.eval.map { try ExampleFile(path: $0, config: recipe.data) }
        evaluation = evalFile.map { [processor] in
            TrainingData($0, processor: processor, config: recipe.data.inOrder)
        }
        // What was found when the data was looked at has been told.
        for error in data == nil ? file.badLines + (evalFile?.badLines ?? []) : [] { report(.skippedExample(error)) }
        identity = DataIdentity(file)
        modelIdentity = try ModelIdentity(directory: directory)
        totalSteps = try recipe.trainer.steps(of: training)
        folder = RunFolder(recipe.output)
        try folder.checkApart(
            resultName: recipe.resultName,
            from: [directory] + [recipe.lora?.adapter].compactMap { $0.map { URL(localPath: $0) } }
        )
        lock = try folder.prepare(resultName: recipe.resultName, isResuming: isResuming)
        if let last = folder.checkpointSteps().last {
            let progress = try folder.progress(
                last,
                recipe: recipe,
                data: identity,
                model: modelIdentity,
                exampleCount: file.count
            )
            state = TrainingState(
                parameters: try ReplicatedParameters(
                    trainable,
                    config: recipe.trainer,
                    checkpoint: folder.checkpoint(last)
                ),
                progress: progress
            )
        } else {
            state = TrainingState(parameters: try ReplicatedParameters(trainable, config: recipe.trainer))
        }
    }

    /// Trains to the end; once.
    ///
    /// - Parameter stop: ends the run after the step it is at.
    /// - Returns: how it ended.
    /// - Throws: what data, model and the last checkpoint throw, after a checkpoint of the last whole step;
    ///   `TrainingError.run` when every step was left out. A checkpoint that could not be written on the way is reported
    ///   and the run goes on.
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
        var log = try TrainingLog(
            folder: folder.url,
            step: state.progress.step,
            peak: PeakRate(given: config.peakFlops, isBF16: config.bf16)
        )
        savedStep = folder.checkpointSteps().last
        do {
            if config.evalOnStart, state.progress.step == 0 { _ = try await evaluate(&log) }
            try await makeSteps(&log, stop: stop)
        } catch {
            keepWhatIsDone(&log, error)
            throw error
        }
        if log.hasSteps { _ = log.line(state.progress, epoch: epoch, evaluation: nil) }
        if savedStep != state.progress.step { try save(log) }
        guard state.progress.step >= totalSteps else { return .stopped }
        guard state.progress.updates > 0 else {
            let last = lastProblem.map { ": in the last one \($0)" } ?? ""
            throw TrainingError.run(
                path: recipe.output,
                reason: "all \(totalSteps) steps were left out, so nothing was learned and nothing is exported\(last)"
            )
        }
        try log.writeCurve(title: recipe.output)
        try export()
        return .finished
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
            if config.evalSteps > 0, step % config.evalSteps == 0 || isLast { evaluation = try await evaluate(&log) }
            if step % config.loggingSteps == 0 || isLast || evaluation != nil {
                let metrics = log.line(state.progress, epoch: epoch, evaluation: evaluation)
                report(.step(metrics, total: totalSteps, secondsLeft: timeLeft.seconds(for: totalSteps - step)))
            }
            if config.saveSteps > 0, step % config.saveSteps == 0, !isLast { saveIfPossible(log) }
        }
    }

    // MARK: - One step

    /// Makes a step, or leaves the state as it was.
    private func makeStep(_ log: inout TrainingLog) async throws {
        let before = state.progress
        do {
            try await advance(&log)
        } catch {
            state.progress = before
            throw error
        }
    }

    private func advance(_ log: inout TrainingLog) async throws {
        let config = recipe.trainer
        let batches = try await nextBatches()
        let rate = config.learningRate(step: state.progress.step, total: totalSteps)
        let result = try StepGradients(
            batches,
            of: trainable,
            in: &state.parameters,
            pass: TrainingPass(
                isCheckpointing: config.gradientCheckpointing,
                isBF16: config.bf16,
                zLossWeight: Float(config.zLossWeight),
                zLossExcludedIds: [processor.imageTokenId],
                dropout: config.dropout ?? Double(trainable.config.dropout)
            ),
            seed: config.seed,
            firstMicroBatch: state.progress.microBatches
        )
        state.progress.step += 1
        state.progress.microBatches += UInt64(batches.count)
        for batch in batches {
            state.progress.tokens += batch.tokenCount
            state.progress.images += batch.imageCount
            state.progress.examples += batch.exampleCount
        }
        let problem = state.progress.spikes.reason(loss: result.loss, norm: result.norm, factor: config.spikeFactor)
        if let problem {
            lastProblem = problem
            report(.skippedStep(step: state.progress.step, reason: problem))
            state.parameters.zeroGradients()
            try rollBackIfDue()
        } else {
            state.progress.updates += 1
            state.parameters.step(
                OptimizerStep(
                    learningRate: rate,
                    gradientScale: config.gradientScale(norm: result.norm),
                    number: state.progress.updates
                )
            )
        }
        log.add(result, batches: batches, learningRate: rate)
    }

    /// The micro-batches of the step at hand; those of the next one are begun.
    private func nextBatches() async throws -> [TrainingBatch] {
        let (position, config, data) = (state.progress.position, recipe.trainer, training)
        var found = await ahead?.value
        ahead = nil
        if found?.start != position { found = nil }
        let step: StepBatches
        if let found {
            step = found
        } else {
            step = await StepBatches(from: position, of: data, config, after: nil)
        }
        for error in step.skipped { report(.skippedExample(error)) }
        let batches = try step.result.get()
        state.progress.position = step.end
        if state.progress.step + 1 < totalSteps {
            ahead = Task { @concurrent in await StepBatches(from: step.end, of: data, config, after: step) }
        }
        return batches
    }

    /// Takes weights and moments of the last checkpoint after too many steps left out; the data goes on.
    ///
    /// Of those that a run has which is not stopped: one that a stop or an error left would change the result.
    private func rollBackIfDue() throws {
        let limit = recipe.trainer.rollbackAfterSkips
        guard limit > 0, state.progress.spikes.skippedInARow >= limit,
            let last = lastRegularCheckpoint(before: state.progress.step)
        else { return }
        let earlier = try folder.progress(
            last,
            recipe: recipe,
            data: identity,
            model: modelIdentity,
            exampleCount: training.file.count
        )
        try state.parameters.read(from: folder.checkpoint(last))
        state.progress.updates = earlier.updates
        state.progress.spikes.skippedInARow = 0
        report(.rolledBack(step: state.progress.step, toStep: last))
    }
}
