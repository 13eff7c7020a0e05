// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// `state.json` of a checkpoint: the numbers of a state, and what tells whether data and model are those it began with.
struct StateFile: Codable {
    static let name = "state.json"

    let progress: TrainingState.Progress
    /// Identity of the source.
    let data: SourceValue
    /// nil in those of before it was stored.
    let model: ModelIdentity?
}

extension TrainingState.Progress {
    /// More of anything than a run can count to.
    private static let limit = 1 << 60

    /// Checks numbers that come from a file: a run computes with them, and must not end in the middle of a sum.
    ///
    /// - Parameters:
    ///   - step: that of the checkpoint.
    ///   - source: of the data.
    ///   - path: the file.
    /// - Throws: `TrainingError.run` naming the file and the key.
    func check(step: Int, source: any BatchSource, at path: String) throws {
        func check<Value: Comparable>(_ value: Value, _ range: ClosedRange<Value>, _ key: String) throws {
            guard range ~= value else {
                throw TrainingError.run(
                    path: path,
                    reason: "progress.\(key): \(value) is not in \(range.lowerBound)...\(range.upperBound)"
                )
            }
        }
        guard self.step == step else {
            throw TrainingError.run(
                path: path,
                reason: "progress.step: \(self.step), in the checkpoint of step \(step)"
            )
        }
        try check(step, 0...Self.limit, "step")
        try check(updates, 0...step, "updates")
        do {
            try source.check(position)
        } catch let error as JSONError {
            let key = error.path.isEmpty ? "position" : "position.\(error.path)"
            throw TrainingError.run(path: path, reason: "progress.\(key): \(error.reason)")
        } catch {
            throw TrainingError.run(path: path, reason: "progress.position: \(error)")
        }
        try check(microBatches, 0...UInt64(Self.limit), "microBatches")
        try check(tokens, 0...Self.limit, "tokens")
        try check(images, 0...Self.limit, "images")
        try check(examples, 0...Self.limit, "examples")
        try check(spikes.meanNorm, 0...Double.greatestFiniteMagnitude, "spikes.meanNorm")
        try check(spikes.count, 0...step, "spikes.count")
        try check(spikes.skipped, 0...step, "spikes.skipped")
        try check(spikes.skippedInARow, 0...spikes.skipped, "spikes.skippedInARow")
    }
}
