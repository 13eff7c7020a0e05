// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Idefics

/// How much memory the model may take.
struct MemoryOptions: ParsableArguments {
    @Option(
        help: """
            Memory for the whole process, such as 4GB or 800MB; weights that do not fit are read from their files for \
            every token. (default: what the system and its limits leave)
            """
    )
    var memory: ByteCountArgument?

    /// As the library takes it.
    var budget: MemoryBudget { MemoryBudget(limit: memory?.byteCount) }

    /// What a model that does not fit means for whoever waits for it.
    static func warning(_ plan: MemoryPlan) -> String {
        func bytes(_ count: Int) -> String { Format.bytes(Int64(count)) }
        let speed =
            plan.secondsPerPass.map { seconds in
                "at the \(bytes(Int(plan.readRate ?? 0))) a second measured here that takes "
                    + "\(Format.number(seconds, digits: seconds < 10 ? 1 : 0)) s for each token (a prompt, or all rows of a "
                    + "batch, count as one)"
            } ?? "how fast their storage is could not be measured"
        return "the weights take \(bytes(plan.weightByteCount)), and there is memory for "
            + "\(bytes(plan.availableByteCount)) of them: \(bytes(plan.streamedByteCount)) are read from their files "
            + "whenever they are needed, \(bytes(plan.streamedBytesPerPass)) for each token; \(speed)"
    }
}

/// A number of bytes with a unit: 512MB, 4GB, 1.5GiB.
struct ByteCountArgument: ExpressibleByArgument {
    let byteCount: Int

    init?(argument: String) {
        let units = [
            "": 1.0, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12,
            "kib": 1024, "mib": 1_048_576, "gib": 1_073_741_824, "tib": 1_099_511_627_776,
        ]
        let digits = argument.prefix { $0.isNumber || $0 == "." }
        let unit = argument.dropFirst(digits.count).trimmingPrefix { $0 == " " }.lowercased()
        guard let number = Double(digits), let scale = units[unit], number * scale >= 1, number * scale < 1e18 else {
            return nil
        }
        byteCount = Int(number * scale)
    }
}
