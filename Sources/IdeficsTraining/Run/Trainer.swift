// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import Idefics
import IdeficsFoundation
package import IdeficsTensor
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
    private let identity: DataIdentity
    private let modelIdentity: ModelIdentity
    private var lock: RunLock?
    private let totalSteps: Int
    package var state: TrainingState
    private let thread = ComputeThread(name: "idefics.training")
    /// The next step's micro-batches, on their way.
    private var ahead: Task<StepBatches, Never>?

    /// Computation runs on the trainer's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Prepares a run, or finds where an earlier one was.
    ///
    /// - Parameters:
    ///   - recipe: what to do.
    ///   - directory: the model's directory, for its tokenizer and image processor.
    ///   - trainable: what is trained.
    ///   - isResuming: whether the run goes on from the last checkpoint in its folder, if there is one.
    ///   - report: hears what happens.
    /// - Throws: what reading recipe, data and model throws; `TrainingError.run` when the folder has checkpoints and the
    ///   run is not to resume, or when those are of another run.
    public init(
        recipe: TrainingRecipe,
        directory: URL,
        trainable: any TrainableParameters,
        isResuming: Bool = false,
        report: @escaping @Sendable (TrainingEvent) -> Void = { _ in }
    ) throws {
        try recipe.validate()
        self.recipe = recipe
        self.directory = directory
        self.trainable = trainable
        self.report = report
        processor = try ModelFiles(directory: directory).processor()
        let file = try ExampleFile(path: recipe.data.train, badLines: recipe.data.badLines)
        training = TrainingData(file, processor: processor, config: recipe.data)
        let evalFile = try recipe.data.eval.map { try ExampleFile(path: $0, badLines: recipe.data.badLines) }
        evaluation = evalFile.map { [processor] in
            TrainingData($0, processor: processor, config: recipe.data.inOrder)
        }
        for error in file.badLines + (evalFile?.badLines ?? []) { report(.skippedExample(error)) }
        identity = DataIdentity(file)
        modelIdentity = try ModelIdentity(directory: directory)
        totalSteps = try recipe.trainer.steps(of: training)
        folder = RunFolder(recipe.output)
        lock = try folder.prepare()
        if let last = folder.checkpointSteps().last {
            guard isResuming else {
                throw TrainingError.run(
                    path: recipe.output,
                    reason: "has checkpoints already; resume the run or give another folder"
                )
            }
            state = try folder.load(
                last,
                parameters: trainable.parameters,
                recipe: recipe,
                data: identity,
                model: modelIdentity
            )
        } else {
            state = TrainingState(
                values: try trainable.initialValues(seed: recipe.trainer.seed),
                parameters: trainable.parameters,
                optim: recipe.trainer.optim
            )
        }
    }

    /// Trains to the end; once.
    ///
    /// - Parameter stop: ends the run after the step it is at.
    /// - Returns: how it ended.
    /// - Throws: what data, model and the last checkpoint throw. A checkpoint that could not be written on the way is
    ///   reported and the run goes on.
    public func run(stop: StopRequest = StopRequest()) async throws -> Outcome {
        defer {
            ahead?.cancel()
            lock = nil
        }
        let config = recipe.trainer
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
            peakFlops: config.peakFlops > 0
                ? config.peakFlops : config.bf16 ? EngineLimits.bf16Rate() : EngineLimits.multiplyAddRate(),
            flops: ModelFlops(trainable.config, trained: trainable.parameters)
        )
        let (start, first) = (ContinuousClock.now, state.progress.step)
        var savedStep = folder.checkpointSteps().last
        if config.evalOnStart, first == 0 { _ = try await evaluate(&log) }
        while state.progress.step < totalSteps, !stop.isStopping {
            try await makeStep(&log)
            let step = state.progress.step
            let isLast = step == totalSteps
            var evaluation: EvaluationMetrics?
            if config.evalSteps > 0, step % config.evalSteps == 0 || isLast { evaluation = try await evaluate(&log) }
            if step % config.loggingSteps == 0 || isLast || evaluation != nil {
                let metrics = log.line(state.progress, epoch: epoch, evaluation: evaluation)
                let elapsed = (ContinuousClock.now - start) / .seconds(1)
                let left = elapsed / Double(step - first) * Double(totalSteps - step)
                report(.step(metrics, total: totalSteps, secondsLeft: left))
            }
            if config.saveSteps > 0, step % config.saveSteps == 0, !isLast {
                do {
                    try save(log)
                    savedStep = step
                } catch {
                    report(.saveFailed(step: step, reason: "\(error)"))
                }
            }
        }
        if savedStep != state.progress.step { try save(log) }
        guard state.progress.step >= totalSteps else { return .stopped }
        try log.writeCurve(title: recipe.output)
        try export()
        return .finished
    }

    /// How often the data has been gone through.
    private var epoch: Double {
        Double(state.progress.position.epoch)
            + Double(state.progress.position.index) / Double(max(1, training.file.count))
    }

    private func save(_ log: TrainingLog) throws {
        log.flush()
        let place = try folder.save(
            state,
            parameters: trainable.parameters,
            recipe: recipe,
            data: identity,
            model: modelIdentity
        )
        folder.rotate(limit: recipe.trainer.saveTotalLimit)
        report(.saved(step: state.progress.step, path: place.relativePath))
        try? log.writeCurve(title: recipe.output)
    }

    // MARK: - One step

    private func makeStep(_ log: inout TrainingLog) async throws {
        let config = recipe.trainer
        let batches = try await nextBatches()
        let rate = config.learningRate(step: state.progress.step, total: totalSteps)
        let result = try StepGradients(
            batches,
            of: trainable,
            values: state.values,
            pass: TrainingPass(
                isCheckpointing: config.gradientCheckpointing,
                isBF16: config.bf16,
                zLossWeight: Float(config.zLossWeight),
                zLossExcludedIds: Set([processor.tokenizer.convertTokenToId("<image>")].compactMap(\.self)),
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
            report(.skippedStep(step: state.progress.step, reason: problem))
            rollBackIfDue()
        } else {
            state.update(
                result.gradients,
                scale: config.gradientScale(norm: result.norm),
                learningRate: rate,
                parameters: trainable.parameters,
                config: config
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
    private func rollBackIfDue() {
        let limit = recipe.trainer.rollbackAfterSkips
        guard limit > 0, state.progress.spikes.skippedInARow >= limit, let last = folder.checkpointSteps().last,
            let earlier = try? folder.load(
                last,
                parameters: trainable.parameters,
                recipe: recipe,
                data: identity,
                model: modelIdentity
            )
        else { return }
        var progress = state.progress
        progress.updates = earlier.progress.updates
        progress.spikes.skippedInARow = 0
        state = earlier
        state.progress = progress
        report(.rolledBack(step: progress.step, toStep: last))
    }

    // MARK: - The result

    /// Parameters by name.
    package var namedValues: [String: Tensor] {
        Dictionary(uniqueKeysWithValues: zip(trainable.parameters.map(\.name), state.values))
    }

    private func export() throws {
        let name = recipe.lora == nil ? "model" : "adapter"
        let place = folder.url.appending(path: name, directoryHint: .isDirectory)
        let staged = try StagedDirectory(place, replacesExisting: true)
        try trainable.export(namedValues, to: staged)
        try staged.commit()
        report(.exported(path: place.relativePath))
    }
}

extension TrainingConfig {
    /// Steps of a run over `data`, which are counted by the lengths of examples where those decide.
    func steps(of data: TrainingData) throws -> Int {
        if maxSteps > 0 { return maxSteps }
        let batches =
            maxBatchTokens > 0
            ? Double(
                try data.microBatches(
                    epochs: numTrainEpochs,
                    seed: seed,
                    maxExamples: perDeviceTrainBatchSize,
                    maxTokens: maxBatchTokens
                )
            )
            : numTrainEpochs * Double((data.file.count + perDeviceTrainBatchSize - 1) / perDeviceTrainBatchSize)
        return max(1, Int(min((batches / Double(gradientAccumulationSteps)).rounded(.up), 1e15)))
    }
}

extension DataConfig {
    /// The same without shuffling.
    fileprivate var inOrder: DataConfig {
        var config = self
        config.shuffle = false
        return config
    }
}
