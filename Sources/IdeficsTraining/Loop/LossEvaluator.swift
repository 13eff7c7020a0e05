// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

package import Idefics
import IdeficsTensor

/// Loss of a file of examples, and the share of their answers that greedy search gives word for word.
package struct LossEvaluator: Evaluator {
    private let data: TrainingData
    private let config: TrainingConfig

    /// Scores `data` in micro-batches of the sizes that `config` says.
    package init(_ data: TrainingData, config: TrainingConfig) {
        self.data = data
        self.config = config
    }

    /// Goes through the data once.
    package func evaluate(
        _ model: IdeficsModel,
        step: Int,
        report: (TrainingEvent) -> Void
    ) async throws -> EvaluationMetrics? {
        var position = ExamplePosition()
        var ahead: IndexedExample?
        let order = data.order(epoch: 0, seed: 0)
        var (sum, targets, right) = (0.0, 0, 0)
        var answers: [[Int]: Int] = [:]
        while position.epoch == 0 {
            let examples = try data.next(
                &position,
                order: order,
                maxExamples: config.perDeviceTrainBatchSize,
                maxTokens: config.maxBatchTokens,
                ahead: &ahead
            ) { report(.skippedExample($0)) }
            guard let batch = try await data.batch(examples, skipped: { report(.skippedExample($0)) }) else { continue }
            let (loss, isRight) = try model.evaluationLoss(
                batch.inputs,
                labels: batch.labels,
                pass: TrainingPass(precision: config.precision)
            )
            sum += Double(loss.crossEntropy) * Double(loss.count)
            targets += loss.count
            for (answer, isRight) in zip(batch.answers, isRight) {
                guard let answer else { continue }
                answers[answer, default: 0] += 1
                if isRight { right += 1 }
            }
        }
        return EvaluationMetrics(
            loss: targets > 0 ? sum / Double(targets) : 0,
            tokens: targets,
            answers: answers.values.reduce(0, +),
            rightAnswers: right,
            mostCommonAnswers: answers.values.max() ?? 0
        )
    }
}
