// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation

/// Where numbers go: `metrics.jsonl`, TensorBoard's file and the curve.
///
/// They matter less than the run: what cannot be written (a full disk) is left out.
struct TrainingLog {
    private let folder: URL
    private let metrics: MetricsFile
    private let events: EventFile
    private var peak: PeakRate
    private var sums = Sums()

    /// What has been added up since the last line.
    private struct Sums {
        var start = ContinuousClock.now
        var steps = 0
        var loss = 0.0
        var zLoss = 0.0
        var targets = 0
        var tokens = 0
        var operations = 0.0
        var norm = 0.0
        var learningRate = 0.0
    }

    init(folder: URL, step: Int, peak: PeakRate) throws {
        self.folder = folder
        self.peak = peak
        do {
            metrics = try MetricsFile(folder: folder, step: step)
            events = try EventFile(folder: folder, step: step)
        } catch {
            throw TrainingError.run(path: folder.path, reason: "metrics cannot be written: \(error)")
        }
    }

    /// Adds a step.
    mutating func add(_ step: StepGradients, batches: [TrainingBatch], learningRate: Double) {
        let targets = batches.reduce(0) { $0 + $1.targetCount }
        sums.loss += step.loss * Double(targets)
        sums.zLoss += step.zLoss * Double(targets)
        sums.targets += targets
        sums.tokens += batches.reduce(0) { $0 + $1.tokenCount }
        sums.operations += step.operations
        sums.steps += 1
        sums.norm = step.norm
        sums.learningRate = learningRate
    }

    /// Adds a text.
    func add(step: Int, tag: String, text: String) {
        try? events.add(step: step, tag: tag, text: text)
    }

    /// Takes time that no step took out of the line's.
    mutating func leaveOut(_ time: Duration) {
        sums.start += time
    }

    /// Whether steps were made since the last line.
    var hasSteps: Bool { sums.steps > 0 }

    /// Ends a line and writes it.
    mutating func line(
        _ progress: TrainingState.Progress,
        epoch: Double,
        evaluation: EvaluationMetrics?
    ) -> StepMetrics {
        let seconds = max((ContinuousClock.now - sums.start) / .seconds(1), 1e-9)
        let utilization = peak.share(of: sums.operations / seconds)
        let line = StepMetrics(
            step: progress.step,
            epoch: epoch,
            loss: sums.loss / Double(max(1, sums.targets)),
            zLoss: sums.zLoss / Double(max(1, sums.targets)),
            gradNorm: sums.norm,
            learningRate: sums.learningRate,
            tokens: progress.tokens,
            images: progress.images,
            paddingShare: 0,
            tokensPerSecond: Double(sums.tokens) / seconds,
            modelFlopsUtilization: utilization,
            seconds: seconds,
            skippedSteps: progress.spikes.skipped,
            evaluation: evaluation
        )
        sums = Sums()
        try? metrics.append(line)
        var scalars: [(tag: String, value: Double)] = [
            ("train/loss", line.loss), ("train/z_loss", line.zLoss), ("train/grad_norm", line.gradNorm),
            ("train/learning_rate", line.learningRate), ("train/epoch", line.epoch),
            ("train/tokens", Double(line.tokens)), ("train/images", Double(line.images)),
            ("train/padding_share", line.paddingShare), ("train/tokens_per_second", line.tokensPerSecond),
            ("train/model_flops_utilization", line.modelFlopsUtilization),
            ("train/skipped_steps", Double(line.skippedSteps)),
        ]
        if let evaluation { scalars.append(("eval/loss", evaluation.loss)) }
        if let accuracy = evaluation?.accuracy { scalars.append(("eval/accuracy", accuracy)) }
        try? events.add(step: line.step, scalars)
        return line
    }

    /// Makes sure that the lines so far outlive the machine.
    func flush() {
        try? metrics.flush()
    }

    /// Writes `loss.svg`.
    ///
    /// - Throws: what writing throws.
    func writeCurve(title: String) throws {
        let svg = LossCurve.svg(metrics.lines, title: title)
        try AtomicFile.write(Data(svg.utf8), to: folder.appending(path: "loss.svg"))
    }
}
