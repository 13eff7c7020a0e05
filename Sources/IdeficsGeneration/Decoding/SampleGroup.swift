// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// Sequences that grow independently of one another: greedy search (one) or sampling (any number).
struct SampleGroup: SequenceGroup {
    private struct Sequence {
        let returnIndex: Int
        var context: TokenContext
        var random: RandomStream
    }

    private let plan: GroupPlan
    private var live: [Sequence]

    init(_ plan: GroupPlan) {
        self.plan = plan
        live = (0..<plan.config.numReturnSequences).map { index in
            Sequence(
                returnIndex: index,
                context: TokenContext(promptTokenIds: plan.promptTokenIds),
                // The stream is the sequence's own, whatever else is in the batch.
                random: RandomStream(seed: plan.seed, stream: UInt64(index))
            )
        }
    }

    mutating func advance(
        _ logits: LogitsRows,
        elapsedSeconds: Double,
        events: inout [GenerationEvent]
    ) throws -> [Continuation] {
        // At the first step all sequences share the row of the prompt.
        let isShared = logits.count == 1
        var continuations: [Continuation] = []
        var remaining: [Sequence] = []
        for row in 0..<logits.count {
            let chooser = try TokenChooser(logits[row], context: live[row].context, plan: plan)
            for position in isShared ? live.indices : row..<row + 1 {
                var sequence = live[position]
                let tokenId = try chooser.choose(using: &sequence.random)
                let reason = plan.criteria.reason(
                    appending: tokenId,
                    to: sequence.context,
                    elapsedSeconds: elapsedSeconds
                )
                sequence.context.tokenIds.append(tokenId)
                events.append(
                    .token(
                        GeneratedToken(
                            promptIndex: plan.promptIndex,
                            returnIndex: sequence.returnIndex,
                            tokenId: tokenId,
                            logProb: chooser.logProb(tokenId)
                        )
                    )
                )
                if let reason {
                    events.append(finished(sequence, reason))
                } else {
                    remaining.append(sequence)
                    continuations.append(Continuation(row: row, tokenId: tokenId))
                }
            }
        }
        live = remaining
        return continuations
    }

    mutating func cancel(events: inout [GenerationEvent]) {
        events += live.map { finished($0, .cancelled) }
        live = []
    }

    private func finished(_ sequence: Sequence, _ reason: StopReason) -> GenerationEvent {
        .finished(
            GenerationResult(
                promptIndex: plan.promptIndex,
                returnIndex: sequence.returnIndex,
                tokenIds: sequence.context.generatedTokenIds,
                score: nil,
                stopReason: reason
            )
        )
    }
}

/// Chooses tokens by one row of logits, which it processes in place.
private struct TokenChooser {
    private enum Choice {
        case mostLikely(Int)
        case drawn(TokenDistribution)
    }

    private let choice: Choice
    /// The logits as the model gave them and the logarithm of their sum, where log-probabilities are wanted.
    private let raw: (logits: [Float], logSum: Double)?

    init(_ row: UnsafeMutableBufferPointer<Float>, context: TokenContext, plan: GroupPlan) throws {
        if plan.reportsLogProbs, let logSum = ScoreRow.logSumExp(UnsafeBufferPointer(row)) {
            raw = (Array(row), logSum)
        } else {
            raw = nil
        }
        if !plan.processors.isEmpty {
            plan.processors.process(row, context: context)
        }
        let scores = UnsafeBufferPointer(row)
        if plan.config.doSample, let distribution = TokenDistribution(scores: scores) {
            choice = .drawn(distribution)
        } else if !plan.config.doSample, let tokenId = ScoreRow.argmax(scores) {
            choice = .mostLikely(tokenId)
        } else {
            throw GenerationError.noCandidateToken(prompt: plan.promptIndex, position: context.generatedLength)
        }
    }

    func choose(using random: inout RandomStream) throws -> Int {
        switch choice {
        case .mostLikely(let tokenId): tokenId
        case .drawn(let distribution): distribution.sample(using: &random)
        }
    }

    func logProb(_ tokenId: Int) -> Float? {
        raw.map { Float(Double($0.logits[tokenId]) - $0.logSum) }
    }
}
