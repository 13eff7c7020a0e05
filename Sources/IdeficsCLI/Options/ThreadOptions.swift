// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import IdeficsTensor

/// How many threads compute.
struct ThreadOptions: ParsableArguments {
    @Option(help: "Threads to compute with. (default: the cores this process may use)")
    var threads: Int?

    func validate() throws {
        if let threads, !(1...256 ~= threads) {
            throw ValidationError("--threads \(threads): must be 1 to 256")
        }
    }

    /// Sets the number of threads.
    func apply() {
        Engine.threadCount = threads ?? Engine.defaultThreadCount
    }
}
