// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Idefics
import IdeficsGeneration
import IdeficsTensor

/// What `generate --json` writes.
struct GenerateReport: Encodable {
    /// One returned sequence.
    struct Result: Encodable {
        let promptIndex: Int
        let returnIndex: Int
        /// Generated tokens only.
        let tokenIds: [Int]
        let text: String
        let score: Float?
        let stopReason: String
        let promptTokenCount: Int
        let promptTime: Double
        let generateTime: Double
    }

    let results: [Result]
    /// Seconds from the start of the command to the loaded model, and the most memory the process had, if known.
    let loadTime: Double
    let peakMemoryBytes: Int?
    /// transformers' `sequences`: padded prompts with what was generated, filled to equal length; for --inputs only.
    let sequences: [[Int]]?

    init(_ finished: [GenerationInfo], inputs: IdeficsInputs?, config: GenerationConfig, loadTime: Double) {
        self.loadTime = loadTime
        peakMemoryBytes = PeakMemory.byteCount
        results = finished.map { info in
            Result(
                promptIndex: info.promptIndex,
                returnIndex: info.returnIndex,
                tokenIds: info.tokenIds,
                text: info.text,
                score: info.score,
                stopReason: info.stopReason.name,
                promptTokenCount: info.promptTokenCount,
                promptTime: info.promptTime,
                generateTime: info.generateTime
            )
        }
        sequences = inputs.flatMap { inputs in
            guard let ids = inputs.inputIds.intArray() else { return nil }
            let length = inputs.inputIds.shape[1]
            let longest = finished.map(\.generationTokenCount).max() ?? 0
            return finished.map { info in
                let fill = Array(repeating: config.fillTokenId ?? 0, count: longest - info.generationTokenCount)
                return ids[info.promptIndex * length..<(info.promptIndex + 1) * length] + info.tokenIds + fill
            }
        }
    }
}

extension StopReason {
    /// The reason in one word.
    var name: String {
        switch self {
        case .stop: "eos_token"
        case .stopString: "stop_string"
        case .length: "length"
        case .maxTime: "max_time"
        case .cancelled: "cancelled"
        }
    }
}
