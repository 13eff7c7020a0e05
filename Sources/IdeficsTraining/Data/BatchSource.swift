// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Gives a run its micro-batches: a file of examples, a mixture of sources, packed shards.
///
/// A source has an order that depends on the recipe and on positions alone, and no state that changes what it gives: the
/// same position gives the same micro-batches in every process. A position is the source's own value. The trainer stores
/// the one where the next step begins; so a source puts into it all it needs to go on (for each of its parts the epoch and
/// the place in it, what waits in a buffer, by reference).
public protocol BatchSource: Sendable {
    /// Tells the data from other data: a run goes on only with data of the same identity.
    var identity: SourceValue { get }

    /// Where a run begins.
    var start: SourceValue { get }

    /// The next micro-batches.
    ///
    /// - Parameters:
    ///   - position: where they begin.
    ///   - count: how many.
    ///   - skipped: is called with each example that is left out, in order.
    /// - Returns: as many micro-batches, and where the next ones begin.
    /// - Throws: in the source's own terms, what cannot be had.
    func batches(
        from position: SourceValue,
        count: Int,
        skipped: (TrainingError) -> Void
    ) async throws -> BatchSlice

    /// How often the data has been gone through at `position`.
    func progress(at position: SourceValue) -> Double

    /// Checks a position that comes from a file.
    ///
    /// - Throws: in the source's own terms, what none of its positions can be.
    func check(_ position: SourceValue) throws

    /// How many micro-batches there are in `epochs` times through the data.
    ///
    /// - Throws: `TrainingError.config` for a source that has no end; what reading the data throws.
    func batchCount(epochs: Double) throws -> Double
}

/// Micro-batches that follow each other in a source.
public struct BatchSlice: Sendable {
    /// The micro-batches.
    public var batches: [TrainingBatch]
    /// Where the next ones begin.
    public var end: SourceValue

    /// Micro-batches up to `end`.
    public init(_ batches: [TrainingBatch], end: SourceValue) {
        self.batches = batches
        self.end = end
    }
}
