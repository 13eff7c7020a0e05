// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// A file of examples in an order that depends on seed and epoch alone.
package final class JSONLinesSource: BatchSource {
    /// The file is told by size, number of examples and checksum.
    package let identity: SourceValue
    /// The first example of the first epoch.
    package let start: SourceValue

    private let data: TrainingData
    private let config: TrainingConfig
    private let cache = Locked(Cache())

    /// What is kept from step to step, so that it is not computed again; it decides nothing.
    private struct Cache {
        /// The order of an epoch.
        var order: (epoch: Int, indices: [Int])?
        /// An example that was encoded and did not fit into its micro-batch any more.
        var next: IndexedExample?
    }

    /// What tells a file from others.
    private struct Identity: Encodable {
        let byteCount: Int
        let examples: Int
        let crc32c: UInt32
    }

    /// The examples of `data` in micro-batches as `config` says.
    ///
    /// - Throws: nothing that can happen: numbers are encoded.
    package init(_ data: TrainingData, config: TrainingConfig) throws {
        self.data = data
        self.config = config
        start = try SourceValue(ExamplePosition())
        identity = try SourceValue(
            Identity(byteCount: data.file.byteCount, examples: data.file.count, crc32c: data.file.checksum)
        )
    }

    /// The next micro-batches, none of which reaches over the end of an epoch.
    package func batches(
        from position: SourceValue,
        count: Int,
        skipped: (TrainingError) -> Void
    ) async throws -> BatchSlice {
        var position = try position.decoded(as: ExamplePosition.self)
        var cache = cache.withLock(\.self)
        var batches: [TrainingBatch] = []
        var emptyEpochs = 0
        while batches.count < count {
            let epoch = position.epoch
            let order = order(epoch, &cache)
            let examples = try data.next(
                &position,
                order: order,
                maxExamples: config.perDeviceTrainBatchSize,
                maxTokens: config.maxBatchTokens,
                ahead: &cache.next,
                skipped: skipped
            )
            if let batch = try await data.batch(examples, skipped: skipped) {
                batches.append(batch)
                emptyEpochs = 0
            } else if position.epoch > epoch {
                emptyEpochs += 1
                guard emptyEpochs < 2 else {
                    throw TrainingError.file(path: data.file.path, reason: "no example can be used")
                }
            }
        }
        self.cache.withLock { [cache] in $0 = cache }
        return BatchSlice(batches, end: try SourceValue(position))
    }

    private func order(_ epoch: Int, _ cache: inout Cache) -> [Int] {
        if let order = cache.order, order.epoch == epoch { return order.indices }
        let indices = data.order(epoch: epoch, seed: config.seed)
        cache.order = (epoch, indices)
        return indices
    }

    /// Whole epochs, and the share of the examples of the one at hand.
    package func progress(at position: SourceValue) -> Double {
        guard let position = try? position.decoded(as: ExamplePosition.self) else { return 0 }
        return Double(position.epoch) + Double(position.index) / Double(max(1, data.file.count))
    }

    /// Checks epoch and index.
    ///
    /// - Throws: `JSONError` naming the key.
    package func check(_ position: SourceValue) throws {
        let position = try position.decoded(as: ExamplePosition.self)
        func check(_ value: Int, _ range: ClosedRange<Int>, _ key: String) throws {
            guard range ~= value else {
                throw JSONError(
                    file: "",
                    path: key,
                    reason: "\(value) is not in \(range.lowerBound)...\(range.upperBound)"
                )
            }
        }
        // More epochs than a run can count to.
        try check(position.epoch, 0...(1 << 60), "epoch")
        try check(position.index, 0...max(0, data.file.count - 1), "index")
    }

    /// Counted by the lengths of examples where those decide.
    package func batchCount(epochs: Double) throws -> Double {
        guard config.maxBatchTokens > 0 else {
            let size = config.perDeviceTrainBatchSize
            return epochs * Double((data.file.count + size - 1) / size)
        }
        return Double(
            try data.microBatches(
                epochs: epochs,
                seed: config.seed,
                maxExamples: config.perDeviceTrainBatchSize,
                maxTokens: config.maxBatchTokens
            )
        )
    }
}
