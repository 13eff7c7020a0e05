// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsTraining

/// Shows a training run: a bar that redraws itself on a terminal, else a line for each line of metrics; events as notes.
final class TrainingOutput: Sendable {
    private let isBarShown = Locked(false)
    private let isPeakExplained = Locked(false)

    /// Shows what happened.
    func show(_ event: TrainingEvent) {
        switch event {
        case .started(let step, let total, let parameters, let elements):
            note("step \(step) of \(total); training \(elements) elements of \(parameters) parameters")
        case .step(let metrics, let total, let secondsLeft):
            explainPeak(metrics)
            if Terminal.isErrorInteractive {
                Terminal.transient(
                    line(metrics, total: total, secondsLeft: secondsLeft, columns: Terminal.errorColumns - 1)
                )
                isBarShown.withLock { $0 = true }
                if metrics.step == total { finish() }
            } else {
                Terminal.note(line(metrics, total: total, secondsLeft: secondsLeft, columns: .max))
            }
        case .skippedStep(let step, let reason): note("step \(step) left out: \(reason)")
        case .rolledBack(let step, let toStep): note("step \(step): weights of checkpoint-\(toStep) are back")
        case .skippedExample(let error): note("left out: \(error)")
        case .evaluated(let step, let evaluation): note(line(evaluation, step: step))
        case .sample(let step, let prompt, let text): note("step \(step), \(prompt) → \(text)")
        case .saved(_, let path): note("saved \(path)")
        case .saveFailed(let step, let reason):
            note("step \(step): no checkpoint, the last one is as it was: \(reason)")
        case .interrupted(let step, let error): note(next(step, error))
        case .exported(let path):
            finish()
            writeResult(path)
        }
    }

    /// Writes where the model is, for scripts; the model is there whether or not this can be written.
    private func writeResult(_ path: String) {
        do {
            try Terminal.write(path: path)
        } catch let error as OutputError where error.isClosedPipe {
        } catch {
            note("warning: \(error): \(path)")
        }
    }

    /// Ends the bar.
    func finish() {
        isBarShown.withLock {
            if $0 { Terminal.status("\n") }
            $0 = false
        }
    }

    /// A line above the bar, which the next step draws again.
    private func note(_ text: String) {
        isBarShown.withLock {
            if $0 { Terminal.transient("") }
            $0 = false
        }
        Terminal.note(text)
    }

    /// How to go on after an error.
    private func next(_ step: Int, _ error: any Error) -> String {
        let start = "step \(step) is saved; go on with --resume when the cause is mended"
        guard case TrainingError.data = error else { return start }
        return "\(start), or with --resume --bad-lines skip, which leaves out what cannot be had"
    }

    /// Says once why more than all of the peak is reached, which only a peak that was given allows.
    private func explainPeak(_ metrics: StepMetrics) {
        guard (metrics.modelFlopsUtilization * 100).rounded() > 100 else { return }
        guard
            isPeakExplained.withLock({ isExplained in
                defer { isExplained = true }
                return !isExplained
            })
        else { return }
        note("more than 100 % of peak: trainer.peakFlops is less than this machine does; 0 measures it")
    }

    private func line(_ evaluation: EvaluationMetrics, step: Int) -> String {
        let loss =
            "step \(step): evaluation loss \(Format.number(evaluation.loss, digits: 4)) over \(evaluation.tokens) tokens"
        guard let accuracy = evaluation.accuracy, let majority = evaluation.majority else { return loss }
        return "\(loss); \(Format.number(accuracy * 100, digits: 1)) % of \(evaluation.answers) answers right "
            + "(always the most common one: \(Format.number(majority * 100, digits: 1)) %)"
    }

    /// A line of at most `columns` columns, if that much is needed to say anything: what matters least is left out first.
    private func line(_ metrics: StepMetrics, total: Int, secondsLeft: Double?, columns: Int) -> String {
        let width = 20
        let filled = total > 0 ? metrics.step * width / total : width
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: max(0, width - filled))
        // As they are written; a field with a higher number goes first.
        var fields: [(text: String, rank: Int)] = [
            ("[\(bar)]", 2), ("\(metrics.step)/\(total)", 0), ("loss \(Format.number(metrics.loss, digits: 4))", 0),
            ("norm \(Format.number(metrics.gradNorm, digits: 2))", 4),
            ("lr \(String(format: "%.2g", metrics.learningRate))", 5),
            ("\(Format.number(metrics.tokensPerSecond, digits: 0)) tokens/s", 3),
            ("\(Format.number(metrics.modelFlopsUtilization * 100, digits: 0)) % of peak", 6),
        ]
        if let secondsLeft { fields.append(("\(Format.time(secondsLeft)) left", 1)) }
        func line() -> String { fields.map(\.text).joined(separator: "  ") }
        while line().count > columns, let last = fields.map(\.rank).max(), last > 0 {
            fields.removeAll { $0.rank == last }
        }
        return line()
    }
}
