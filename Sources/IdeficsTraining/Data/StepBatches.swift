// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The micro-batches of one step, made beside the step before it: pictures are fetched, decoded and resized while that
/// one computes.
///
/// A function of the place in the data alone, so nothing depends on when it is made; what goes wrong is kept until the
/// step that needs the micro-batches.
struct StepBatches: Sendable {
    /// Where in the data the step begins.
    let start: DataPosition
    /// Where the next one does.
    private(set) var end: DataPosition
    /// Examples that were left out.
    private(set) var skipped: [TrainingError] = []
    /// The micro-batches.
    private(set) var result: Result<[TrainingBatch], any Error> = .success([])
    private var order: Order

    /// The order of an epoch, kept from step to step.
    private struct Order {
        let epoch: Int
        let indices: [Int]
    }

    /// Makes the micro-batches of the step that begins at `start`, off the caller's actor.
    ///
    /// - Parameters:
    ///   - start: where in the data.
    ///   - data: the data.
    ///   - config: how many micro-batches of which size, and the seed of their order.
    ///   - previous: the step before, which may know the epoch's order.
    @concurrent
    init(from start: DataPosition, of data: TrainingData, _ config: TrainingConfig, after previous: StepBatches?) async
    {
        self.start = start
        end = start
        if let order = previous?.order, order.epoch == start.epoch {
            self.order = order
        } else {
            order = Order(epoch: start.epoch, indices: data.order(epoch: start.epoch, seed: config.seed))
        }
        do {
            result = .success(try await load(data, config))
        } catch {
            result = .failure(error)
        }
    }

    private mutating func load(_ data: TrainingData, _ config: TrainingConfig) async throws -> [TrainingBatch] {
        var batches: [TrainingBatch] = []
        var emptyEpochs = 0
        while batches.count < config.gradientAccumulationSteps {
            let epoch = end.epoch
            if order.epoch != epoch {
                order = Order(epoch: epoch, indices: data.order(epoch: epoch, seed: config.seed))
            }
            let examples = try data.next(
                &end,
                order: order.indices,
                maxExamples: config.perDeviceTrainBatchSize,
                maxTokens: config.maxBatchTokens
            ) { skipped.append($0) }
            if let batch = try await data.batch(examples, skipped: { skipped.append($0) }) {
                batches.append(batch)
                emptyEpochs = 0
            } else if end.epoch > epoch {
                emptyEpochs += 1
                guard emptyEpochs < 2 else {
                    throw TrainingError.file(path: data.file.path, reason: "no example can be used")
                }
            }
        }
        return batches
    }
}
