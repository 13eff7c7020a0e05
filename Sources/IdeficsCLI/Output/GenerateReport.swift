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
        /// Where the prompt is in its file, counted from 1.
        let line: Int?
        /// Generated tokens only.
        let tokenIds: [Int]
        let text: String
        let score: Float?
        let stopReason: String
        let promptTokenCount: Int
        let promptTime: Double
        let generateTime: Double

        init(_ info: GenerationInfo, promptIndex: Int, line: Int?) {
            self.promptIndex = promptIndex
            returnIndex = info.returnIndex
            self.line = line
            tokenIds = info.tokenIds
            text = info.text
            score = info.score
            stopReason = info.stopReason.name
            promptTokenCount = info.promptTokenCount
            promptTime = info.promptTime
            generateTime = info.generateTime
        }
    }

    let results: [Result]
    /// Seconds from the start of the command to the loaded model, and the most memory the process had, if known.
    let loadTime: Double
    let peakMemoryBytes: Int?
    /// transformers' `sequences`: padded prompts with what was generated, filled to equal length; for --inputs only.
    let sequences: [[Int]]?

    init(_ results: [Result], inputs: IdeficsInputs?, config: GenerationConfig, loadTime: Double) {
        self.results = results
        self.loadTime = loadTime
        peakMemoryBytes = PeakMemory.byteCount
        sequences = inputs.flatMap { inputs in
            guard let ids = inputs.inputIds.intArray() else { return nil }
            let length = inputs.inputIds.shape[1]
            let longest = results.map(\.tokenIds.count).max() ?? 0
            return results.map { result in
                let fill = Array(repeating: config.fillTokenId ?? 0, count: longest - result.tokenIds.count)
                return ids[result.promptIndex * length..<(result.promptIndex + 1) * length] + result.tokenIds + fill
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
