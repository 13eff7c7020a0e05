// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Some threads for work that reads and decodes, so that it never holds up Swift's cooperative pool.
package final class WorkerThreads: TaskExecutor {
    private let jobs = JobQueue()

    /// Starts `count` threads.
    package init(name: String, count: Int) {
        for _ in 0..<max(1, count) { jobs.startThread(name: name) }
    }

    deinit {
        jobs.close()
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedTaskExecutor()
        jobs.append { job.runSynchronously(on: executor) }
    }

    /// What `body` makes of each element, in their order, at most `limit` at a time on these threads.
    ///
    /// Every element is tried, whatever becomes of others, so that the first failure is the same however fast each is.
    ///
    /// - Parameters:
    ///   - elements: what is worked on.
    ///   - limit: how many at a time.
    ///   - body: the work.
    /// - Returns: for each element what came of it.
    package func map<Element: Sendable, Value: Sendable>(
        _ elements: [Element],
        limit: Int,
        _ body: @escaping @Sendable (Element) async throws -> Value
    ) async -> [Result<Value, any Error>] {
        await withTaskGroup(of: (Int, Result<Value, any Error>).self) { group in
            func add(_ index: Int) {
                group.addTask(executorPreference: self) {
                    do {
                        return (index, .success(try await body(elements[index])))
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            var next = min(max(1, limit), elements.count)
            for index in 0..<next { add(index) }
            var results = [Result<Value, any Error>?](repeating: nil, count: elements.count)
            while let (index, result) = await group.next() {
                results[index] = result
                guard next < elements.count else { continue }
                add(next)
                next += 1
            }
            return results.compactMap(\.self)
        }
    }
}
