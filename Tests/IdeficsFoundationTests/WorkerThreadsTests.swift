// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsFoundation
import Testing

@Suite struct WorkerThreadsTests {
    private struct Failure: Error, Equatable { let number: Int }

    /// Results come in order, failures too, whichever ends first.
    @Test func resultsAreInOrder() async throws {
        let workers = WorkerThreads(name: "test.workers", count: 3)
        let results = await workers.map(Array(0..<40), limit: 5) { number -> Int in
            try await Task.sleep(for: .microseconds(number % 4 == 0 ? 800 : 200))
            if number % 7 == 3 { throw Failure(number: number) }
            return number
        }
        #expect(results.count == 40)
        for (number, result) in results.enumerated() {
            switch result {
            case .success(let found): #expect(found == number)
            case .failure(let error): #expect(error as? Failure == Failure(number: number) && number % 7 == 3)
            }
        }
        #expect(await workers.map([Int](), limit: 5) { $0 }.isEmpty)
    }

    /// Work that blocks its thread has threads enough: on the cooperative pool, which has as many as there are cores, none
    /// of it would end.
    @Test func workMayBlock() async {
        let count = 4 * ProcessInfo.processInfo.activeProcessorCount
        let workers = WorkerThreads(name: "test.workers", count: count)
        let arrived = Locked(0)
        let results = await workers.map(Array(0..<count), limit: count) { _ in
            arrived.withLock { $0 += 1 }
            Self.block { arrived.withLock { $0 >= count } }
            return arrived.withLock(\.self)
        }
        #expect(results.compactMap { try? $0.get() } == Array(repeating: count, count: count))
    }

    /// No more are at work than allowed; those that wait do not keep others from it.
    @Test func noMoreThanTheLimitAreAtWork() async {
        let workers = WorkerThreads(name: "test.workers", count: 1)
        let atWork = Locked((now: 0, most: 0))
        _ = await workers.map(Array(0..<12), limit: 4) { _ in
            atWork.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
            for _ in 0..<20 { await Task.yield() }
            atWork.withLock { $0.now -= 1 }
        }
        #expect(atWork.withLock { $0.now == 0 && 2...4 ~= $0.most })
    }

    private static func block(until isDone: () -> Bool) {
        let deadline = Date(timeIntervalSinceNow: 60)
        while !isDone(), Date() < deadline { Thread.sleep(forTimeInterval: 0.001) }
    }
}
