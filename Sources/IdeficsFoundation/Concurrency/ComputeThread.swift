// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// A thread of its own for an actor whose work is computation, so that it never holds up the cooperative pool.
package final class ComputeThread: SerialExecutor {
    private let jobs = JobQueue()

    /// Starts the thread.
    package init(name: String) {
        jobs.startThread(name: name)
    }

    deinit {
        jobs.close()
    }

    /// Runs `job` after those before it.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedSerialExecutor()
        jobs.append { job.runSynchronously(on: executor) }
    }

    /// This executor, as the runtime asks for it.
    package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }
}
