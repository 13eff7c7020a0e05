// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The micro-batches of one step, made beside the step before it: images are fetched, decoded and resized while that one
/// computes.
///
/// A function of the place in the data alone, so nothing depends on when it is made; what goes wrong is kept until the
/// step that needs the micro-batches.
struct StepBatches: Sendable {
    /// Where in the data the step begins.
    let start: SourceValue
    /// Examples that were left out.
    private(set) var skipped: [TrainingError] = []
    /// The micro-batches.
    let result: Result<BatchSlice, any Error>

    /// Makes `count` micro-batches from `start` on, off the caller's actor.
    @concurrent
    init(from start: SourceValue, of source: any BatchSource, count: Int) async {
        self.start = start
        var skipped: [TrainingError] = []
        do {
            result = .success(try await source.batches(from: start, count: count) { skipped.append($0) })
        } catch {
            result = .failure(error)
        }
        self.skipped = skipped
    }
}
