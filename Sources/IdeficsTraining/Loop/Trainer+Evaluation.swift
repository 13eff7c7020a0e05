// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension Trainer {
    /// Lets the evaluators look at today's values.
    ///
    /// - Returns: the scores; nil when no evaluator has any.
    func evaluate(_ log: inout TrainingLog) async throws -> EvaluationMetrics? {
        let start = ContinuousClock.now
        defer { log.leaveOut(ContinuousClock.now - start) }
        let model = try trainable.model(state.parameters.namedValues, pass: .inference)
        let step = state.progress.step
        var found: EvaluationMetrics?
        var samples = 0
        for evaluator in parts.evaluators {
            let scores = try await evaluator.evaluate(model, step: step) { [report, log] event in
                report(event)
                guard case .sample(_, let prompt, let text) = event else { return }
                log.add(step: step, tag: "sample/\(samples)", text: "\(prompt)\n\n\(text)")
                samples += 1
            }
            guard let scores else { continue }
            report(.evaluated(step: step, scores))
            found = found ?? scores
        }
        return found
    }
}
