// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Adds up what steps gave to lines of metrics and gives them to the sinks.
struct TrainingLog {
    private let sinks: [any MetricsSink]
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

    /// A log that writes to `sinks`.
    init(_ sinks: [any MetricsSink], peak: PeakRate) {
        self.sinks = sinks
        self.peak = peak
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
        for sink in sinks { try? sink.add(step: step, tag: tag, text: text) }
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
        for sink in sinks { try? sink.add(line) }
        return line
    }

    /// Makes sure that the lines so far outlive the machine.
    func flush() {
        for sink in sinks { try? sink.flush() }
    }

    /// Ends a run that came to its last step.
    func finish() {
        for sink in sinks { try? sink.finish() }
    }
}
