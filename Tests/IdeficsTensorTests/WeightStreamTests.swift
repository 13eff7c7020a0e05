// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import IdeficsTensor
import IdeficsTestSupport
import Testing

@Suite struct WeightStreamTests {
    private let folder: TemporaryFolder
    /// Ten matrices of 256 kB in one file.
    private let weights: [Weight]
    private let x: Tensor
    private static let byteCount = 256 * 256 * 4

    init() throws {
        folder = try TemporaryFolder()
        let url = folder.url.appending(path: "weights")
        var generator = SeededGenerator(seed: 3)
        let values = (0..<10 * 256 * 256).map { _ in Float.random(in: -1...1, using: &generator) }
        try values.withUnsafeBytes { try Data($0).write(to: url) }
        let file = try MappedFile(url)
        weights = (0..<10).map { index in
            let range = index * Self.byteCount..<(index + 1) * Self.byteCount
            return .dense(Tensor(shape: [256, 256], dtype: .f32, storage: file.storage(range)))
        }
        x = Tensor((0..<512).map { Float($0 % 17) - 8 }, shape: [2, 256])
    }

    private func product(_ index: Int) -> [Float] { linear(x, LinearProduct(weights[index])).floatArray() }

    private func units(resident: Set<Int> = []) -> [WeightStream.Unit] {
        weights.enumerated().map { WeightStream.Unit($1, isResident: resident.contains($0)) }
    }

    /// Waits until nothing changes any more: until the thread has read ahead what it may.
    private func settled(_ stream: WeightStream) -> WeightStream.Statistics {
        var last = stream.statistics
        while true {
            Thread.sleep(forTimeInterval: 0.05)
            let now = stream.statistics
            if now == last { return now }
            last = now
        }
    }

    @Test func resultsAreTheSameAndTheWindowHolds() {
        let expected = weights.indices.map(product)
        let stream = WeightStream(units(resident: [2, 7]), windowByteCount: 3 * Self.byteCount)
        for _ in 0..<5 {
            for index in weights.indices { #expect(product(index) == expected[index]) }
        }
        let statistics = settled(stream)
        #expect(statistics.largestWindow <= 3 * Self.byteCount)
        // What stays is read once; the others for each pass, and at most a window of them once more.
        let needed = (2 + 5 * 8) * Self.byteCount
        #expect(statistics.readByteCount >= needed)
        #expect(statistics.readByteCount <= needed + 3 * Self.byteCount)
        #expect(statistics.demotedByteCount == 0)
    }

    /// Another order than the one declared is learned in one pass: the second reads nothing in vain.
    @Test func theOrderIsLearned() {
        let stream = WeightStream(units(), windowByteCount: 2 * Self.byteCount)
        let order = [9, 3, 6, 0, 1, 8]
        for index in order + order { _ = product(index) }
        let learned = settled(stream)
        for _ in 0..<10 {
            for index in order { _ = product(index) }
        }
        let statistics = settled(stream)
        #expect(statistics.readByteCount - learned.readByteCount == 10 * order.count * Self.byteCount)
        #expect(statistics.largestWindow <= 2 * Self.byteCount)
    }

    /// A product may need more at once than the window holds, and the same matrix twice.
    @Test func largeProductsAreServed() {
        let products = [0, 4, 4, 9].map { LinearProduct(weights[$0]) }
        let expected = linear(x, products).map { $0.floatArray() }
        let stream = WeightStream(units(), windowByteCount: Self.byteCount)
        for _ in 0..<3 { #expect(linear(x, products).map { $0.floatArray() } == expected) }
        #expect(settled(stream).largestWindow == 3 * Self.byteCount)
    }

    @Test func severalThreadsMayCompute() async {
        let expected = weights.indices.map(product)
        let stream = WeightStream(units(resident: [5]), windowByteCount: 2 * Self.byteCount)
        let wrong = Locked(0)
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for step in 0..<100 {
                let index = (step * (thread + 1) + thread) % weights.count
                if product(index) != expected[index] { wrong.withLock { $0 += 1 } }
            }
        }
        #expect(wrong.withLock { $0 } == 0)
        #expect(stream.statistics.readByteCount > 0)
    }

    /// When memory becomes short, what was to stay is let go, and no more than is needed.
    @Test func shortageIsMet() {
        let stream = WeightStream(
            units(resident: Set(weights.indices)),
            windowByteCount: 2 * Self.byteCount,
            shortage: { resident in resident - 7 * Self.byteCount },
            bytesBetweenChecks: 4 * Self.byteCount
        )
        let expected = weights.indices.map(product)
        #expect(settled(stream).demotedByteCount == 3 * Self.byteCount)
        for index in weights.indices { #expect(product(index) == expected[index]) }
        for _ in 0..<5 { _ = weights.indices.map(product) }
        let statistics = settled(stream)
        #expect(statistics.droppedByteCount > 0)
        #expect(statistics.demotedByteCount == 3 * Self.byteCount)
    }

    /// A stream that is gone leaves its weights as usable as before.
    @Test func weightsOutliveTheirStream() {
        let expected = product(1)
        do {
            let stream = WeightStream(units(), windowByteCount: 2 * Self.byteCount)
            #expect(product(1) == expected)
            #expect(stream.statistics.waitCount == 1)
        }
        #expect(product(1) == expected)
    }

    @Test func theStorageHasARate() throws {
        // A rate is not known where others keep the pages; on this machine nobody else knows the file.
        if let rate = WeightStream.readRate(of: weights[0]) { #expect(rate > 1000) }
        #expect(WeightStream.readRate(of: .dense(x)) == nil)
    }
}

#if os(Linux) || os(macOS)
@Suite struct FailedReadTests {
    /// A file that is cut short while it is mapped ends the process with its name, not with a bare signal.
    @Test func aFileCutShortIsNamed() async throws {
        let result = try await #require(
            processExitsWith: .exitCode(74),
            observing: [\.standardErrorContent]
        ) {
            let folder = try TemporaryFolder()
            let url = try folder.write(Array(repeating: 1, count: 100_000), "cut-short")
            let file = try MappedFile(url)
            MappedFile.reportFailedReads()
            try FileHandle(forWritingTo: url).truncate(atOffset: 0)
            print(file.withUnsafeBytes { $0[50_000] })
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(text.contains("cut-short: the file was cut short while in use"))
    }
}
#endif
