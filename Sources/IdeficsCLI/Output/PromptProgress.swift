// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// How far the reading of a long file of prompts is; nothing where answers appear on the same terminal.
final class PromptProgress {
    private let batchSize: Int
    private let bar: ProgressBar?
    private var isLong = false

    /// Progress for a file that is read in batches of `batchSize`.
    init(batchSize: Int, isResultOnStandardOutput: Bool) {
        self.batchSize = batchSize
        bar = isResultOnStandardOutput && isatty(STDOUT_FILENO) == 1 ? nil : ProgressBar()
    }

    /// A batch of `count` prompts is done; `progress` counts bytes of the file.
    func show(_ progress: (completed: Int64, total: Int64)?, count: Int) {
        guard let progress, isLong || (count == batchSize && progress.completed < progress.total) else { return }
        isLong = true
        bar?.show(completed: progress.completed, total: progress.total)
    }

    /// Ends the line.
    func finish() {
        bar?.finish()
    }
}
