// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation
import Idefics

/// What a trainer is put together from; each part can be another than that of `idefics train`.
public struct TrainingParts: Sendable {
    /// Gives the micro-batches.
    public var source: any BatchSource
    /// Makes the store of what is trained: from the folder of a checkpoint, or, given nil, with the first values.
    public var store: @Sendable (URL?) throws -> any ParameterStore
    /// Look at the model, in this order; scores of the first that has any go into the metrics.
    public var evaluators: [any Evaluator]
    /// Makes what gets the numbers, in a folder of a run that goes on after a step.
    public var sinks: @Sendable (URL, Int) throws -> [any MetricsSink]
    /// Tokens whose rows the z-loss leaves out.
    public var zLossExcludedIds: Set<Int>

    /// Parts of one's own.
    public init(
        source: any BatchSource,
        store: @escaping @Sendable (URL?) throws -> any ParameterStore,
        evaluators: [any Evaluator] = [],
        sinks: @escaping @Sendable (URL, Int) throws -> [any MetricsSink] = { _, _ in [] },
        zLossExcludedIds: Set<Int> = []
    ) {
        self.source = source
        self.store = store
        self.evaluators = evaluators
        self.sinks = sinks
        self.zLossExcludedIds = zLossExcludedIds
    }

    /// The parts that a recipe names: a file of examples, everything in this machine's memory, scores of the evaluation
    /// data and samples, `metrics.jsonl`, TensorBoard's file and the curve.
    ///
    /// - Parameters:
    ///   - recipe: what to do.
    ///   - directory: the model's directory, for its tokenizer and image processor.
    ///   - trainable: what is trained.
    ///   - data: the recipe's data, if somebody has looked at it already; nil to read it here.
    ///   - report: called with examples that are left out.
    /// - Throws: what reading recipe, data and model throws.
    public init(
        recipe: TrainingRecipe,
        directory: URL,
        trainable: any TrainableParameters,
        data: CheckedData? = nil,
        report: (TrainingEvent) -> Void = { _ in }
    ) throws {
        try recipe.validate()
        let config = recipe.trainer
        let processor = try ModelFiles(directory: directory).processor()
        if let problem = data?.problem { throw problem }
        let file = try data?.training.file ?? ExampleFile(path: recipe.data.train, config: recipe.data)
        let evalFile =
            try data?.evaluation?.file ?? recipe.data.eval.map { try ExampleFile(path: $0, config: recipe.data) }
        // What was found when the data was looked at has been reported.
        for error in data == nil ? file.badLines + (evalFile?.badLines ?? []) : [] { report(.skippedExample(error)) }
        var evaluators: [any Evaluator] = []
        if let evalFile {
            let data = TrainingData(evalFile, processor: processor, config: recipe.data.inOrder)
            evaluators.append(LossEvaluator(data, config: config))
        }
        if !recipe.data.samples.isEmpty {
            evaluators.append(SampleEvaluator(recipe.data, processor: processor, directory: directory))
        }
        self.init(
            source: try JSONLinesSource(
                TrainingData(file, processor: processor, config: recipe.data, lengths: data?.training.lengths),
                config: config
            ),
            store: { try ReplicatedParameters(trainable, config: config, checkpoint: $0) },
            evaluators: evaluators,
            sinks: { folder, step in
                let metrics = try MetricsFile(folder: folder, step: step)
                return [
                    metrics, try EventFile(folder: folder, step: step),
                    CurveFile(folder: folder, title: recipe.output, of: metrics),
                ]
            },
            zLossExcludedIds: [processor.imageTokenId]
        )
    }
}

extension TrainingConfig {
    /// Steps of a run over `source`.
    ///
    /// - Throws: what counting throws.
    func steps(of source: any BatchSource) throws -> Int {
        if maxSteps > 0 { return maxSteps }
        let batches = try source.batchCount(epochs: numTrainEpochs)
        return max(1, Int(min((batches / Double(gradientAccumulationSteps)).rounded(.up), 1e15)))
    }
}
