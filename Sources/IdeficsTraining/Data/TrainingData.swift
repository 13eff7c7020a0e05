// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
package import Idefics
import IdeficsFoundation
import IdeficsImages

/// Where in a file of examples a run is.
public struct ExamplePosition: Sendable, Equatable, Codable {
    /// Times the data has been gone through.
    public var epoch = 0
    /// Examples of this epoch's order that have been used.
    public var index = 0

    /// The beginning.
    public init() {}
}

/// A data file as micro-batches, in an order that depends on seed, epoch and position alone.
package struct TrainingData: Sendable {
    package let file: ExampleFile
    private let processor: IdeficsProcessor
    private let config: DataConfig
    private let loader: ImageLoader
    /// Tokens of each example, negative for one that is left out; nil when nobody has counted them.
    private let lengths: [Int32]?

    /// The examples of `file`; `lengths` has the tokens of each, negative for one that is left out, if somebody has
    /// counted them.
    package init(_ file: ExampleFile, processor: IdeficsProcessor, config: DataConfig, lengths: [Int32]? = nil) {
        self.file = file
        self.lengths = lengths
        self.processor = processor
        self.config = config
        loader = ImageLoader(config, side: processor.imageProcessor.imageSize)
    }

    /// The order of an epoch (Fisher and Yates, from a stream of its own).
    package func order(epoch: Int, seed: UInt64) -> [Int] {
        var order = Array(0..<file.count)
        guard config.shuffle else { return order }
        var random = RandomStream(seed: seed, stream: UInt64(epoch))
        for last in stride(from: order.count - 1, to: 0, by: -1) {
            // The high word of the product is even enough over any number of examples, and the same everywhere.
            let pick = Int(random.next().multipliedFullWidth(by: UInt64(last + 1)).high)
            order.swapAt(pick, last)
        }
        return order
    }

    /// The next examples: as many as fit, at least one.
    ///
    /// - Parameters:
    ///   - position: where they begin; afterwards just after them, at the next epoch's beginning if this one is through.
    ///   - order: of the position's epoch.
    ///   - maxExamples: at most this many.
    ///   - maxTokens: together at most this many tokens, if there is more than one; 0 for no limit.
    ///   - ahead: an example that is encoded already; afterwards the one that did not fit any more, if there is one.
    ///   - skipped: called with examples that are left out.
    /// - Returns: the examples; none when all that were left of the epoch are bad.
    /// - Throws: `TrainingError.data` for a bad example, unless those are skipped.
    package func next(
        _ position: inout ExamplePosition,
        order: [Int],
        maxExamples: Int,
        maxTokens: Int,
        ahead: inout IndexedExample?,
        skipped: (TrainingError) -> Void
    ) throws -> [IndexedExample] {
        let known = ahead.take()
        let (items, rest) = try take(&position, order: order, maxExamples: maxExamples, maxTokens: maxTokens) { index in
            if let known, known.index == index { return (known, known.example.tokenIds.count) }
            guard let example = try encodedUnlessBad(index, skipped: skipped) else { return nil }
            return (IndexedExample(index: index, example: example), example.tokenIds.count)
        }
        ahead = rest
        return items
    }

    /// Micro-batches of `epochs` times through the data, told by the lengths of all examples.
    ///
    /// - Parameters:
    ///   - epochs: at most 1000.
    ///   - seed: of the orders.
    ///   - maxExamples: of a micro-batch.
    ///   - maxTokens: of a micro-batch.
    /// - Returns: their number; examples that are left out for their images are not known yet and count.
    /// - Throws: `TrainingError.data` for a bad example, unless those are skipped.
    package func microBatches(epochs: Double, seed: UInt64, maxExamples: Int, maxTokens: Int) throws -> Int {
        let lengths =
            try lengths ?? (0..<file.count).map { Int32(try encodedUnlessBad($0) { _ in }?.tokenIds.count ?? -1) }
        var position = ExamplePosition()
        var batches = 0
        while Double(position.epoch) < epochs {
            let epoch = position.epoch
            let order = order(epoch: epoch, seed: seed)
            let end = (epochs - Double(epoch)) * Double(file.count)
            while position.epoch == epoch, Double(position.index) < end {
                let (taken, _) = take(&position, order: order, maxExamples: maxExamples, maxTokens: maxTokens) {
                    index in
                    lengths[index] < 0 ? nil : (index, Int(lengths[index]))
                }
                batches += taken.isEmpty ? 0 : 1
            }
            guard position.epoch > epoch else { break }
        }
        return batches
    }

    /// The next elements: as many as fit, at least one; `item` gives one with its tokens, or nil for one that is left out.
    ///
    /// With them the element that did not fit any more, if that is why there are no more.
    private func take<Item>(
        _ position: inout ExamplePosition,
        order: [Int],
        maxExamples: Int,
        maxTokens: Int,
        item: (Int) throws -> (Item, tokens: Int)?
    ) rethrows -> (items: [Item], rest: Item?) {
        var items: [Item] = []
        var tokens = 0
        while position.index < order.count, items.count < maxExamples {
            if let (item, length) = try item(order[position.index]) {
                guard items.isEmpty || maxTokens == 0 || tokens + length <= maxTokens else {
                    return (items, item)
                }
                tokens += length
                items.append(item)
            }
            position.index += 1
        }
        if position.index >= order.count {
            position.epoch += 1
            position.index = 0
        }
        return (items, nil)
    }

    /// The micro-batch of `examples`, whose images are loaded at the same time; nil when all were left out.
    package func batch(
        _ examples: [IndexedExample],
        skipped: (TrainingError) -> Void
    ) async throws -> TrainingBatch? {
        var (kept, images): ([EncodedExample], [[RGBImage]]) = ([], [])
        let loaded = await loader.load(examples.map(\.example.images))
        for (indexed, loaded) in zip(examples, loaded) {
            do {
                images.append(try loaded.get())
                kept.append(indexed.example)
            } catch {
                let problem = file.error(indexed.index, config.reason(of: error))
                guard config.badLines == .skip else { throw problem }
                skipped(problem)
            }
        }
        guard !kept.isEmpty else { return nil }
        return try TrainingBatch(kept, images: images, processor: processor, maxTokens: config.maxTokens)
    }

    private func encodedUnlessBad(_ index: Int, skipped: (TrainingError) -> Void) throws -> EncodedExample? {
        do {
            return try encoded(index)
        } catch let error as TrainingError {
            guard config.badLines == .skip else { throw error }
            skipped(error)
            return nil
        }
    }

    private func encoded(_ index: Int) throws -> EncodedExample {
        do {
            let example = try EncodedExample(file.example(index), processor: processor, config: config)
            try example.checkTargets(config)
            return example
        } catch let problem as ExampleProblem {
            throw file.error(index, problem.reason)
        }
    }
}

/// An encoded example and its place in the file.
package struct IndexedExample: Sendable {
    package let index: Int
    package let example: EncodedExample
}

extension DataConfig {
    /// The same without shuffling.
    var inOrder: DataConfig {
        var config = self
        config.shuffle = false
        return config
    }
}
