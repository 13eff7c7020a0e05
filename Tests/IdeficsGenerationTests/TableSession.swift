// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation
import IdeficsGeneration

/// A language model made of two tables: the logits after …, p, q are `first[q] + second[p]`.
///
/// Keeps whole sequences as its "cache", so a wrong `select` shows as wrong tokens, and records every call.
final class TableSession: DecodingSession {
    let first: [[Float]]
    let second: [[Float]]
    private(set) var sequences: [[Int]]
    private(set) var stepSizes: [Int] = []
    private(set) var selections: [[Int]] = []

    init(first: [[Float]], second: [[Float]], prompts: [[Int]]) {
        self.first = first
        self.second = second
        sequences = prompts
    }

    var vocabSize: Int { first.count }
    var sequenceCount: Int { sequences.count }

    /// The logits after the prompts.
    var promptLogits: [Float] { sequences.flatMap(logits) }

    func logits(after sequence: [Int]) -> [Float] {
        let last = sequence[sequence.count - 1]
        let before = sequence.count > 1 ? sequence[sequence.count - 2] : 0
        return zip(first[last], second[before]).map { $0 + $1 }
    }

    func step(tokenIds: [Int]) throws -> [Float] {
        precondition(tokenIds.count == sequences.count)
        stepSizes.append(tokenIds.count)
        for (row, tokenId) in tokenIds.enumerated() {
            sequences[row].append(tokenId)
        }
        return sequences.flatMap(logits)
    }

    func select(rows: [Int]) {
        selections.append(rows)
        sequences = rows.map { sequences[$0] }
    }
}

extension TableSession {
    /// A model with random tables.
    static func random(vocabSize: Int, seed: UInt64, prompts: [[Int]], scale: Float = 2) -> TableSession {
        var random = RandomStream(seed: seed)
        func table() -> [[Float]] {
            (0..<vocabSize).map { _ in
                (0..<vocabSize).map { _ in (Float(random.uniform()) + Float(random.uniform()) - 1) * 2 * scale }
            }
        }
        return TableSession(first: table(), second: table(), prompts: prompts)
    }

    /// Generates for every prompt with one configuration.
    func generate(_ config: GenerationConfig, decode: (([Int]) -> String)? = nil) throws -> [GenerationResult] {
        let requests = sequences.map { GenerationRequest(promptTokenIds: $0, config: config) }
        return try Generator(session: self, requests: requests, promptLogits: promptLogits, decode: decode).run()
    }
}
