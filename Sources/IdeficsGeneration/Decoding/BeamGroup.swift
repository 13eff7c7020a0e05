// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// Beam search and beam sampling for one prompt, with the semantics of transformers 5.23.
///
/// Each step ranks all continuations of all beams by their sum of log-probabilities and keeps
/// K = max(2, 1 + number of end-of-sequence tokens) · `num_beams` candidates (sampling draws K without replacement
/// instead). Those that end compete for the `num_beams` places of the result if they are among the first `num_beams`
/// candidates; the best that go on are the next beams.
///
/// Scores are single precision, and "impossible" is −10⁹ rather than −∞, as in the reference: its sentinels take part in
/// the comparisons and decide which results survive in corner cases.
struct BeamGroup: SequenceGroup {
    private struct Beam {
        var context: TokenContext
        var score: Float
    }

    private struct Hypothesis {
        var tokenIds: [Int]
        var score: Float
        /// Nil for a place that is not taken yet.
        var reason: StopReason?
    }

    private struct Candidate {
        var beam: Int
        var tokenId: Int
        var score: Float
        var reason: StopReason?
    }

    private static let impossible: Float = -1e9

    private let plan: GroupPlan
    private let numBeams: Int
    private let numCandidates: Int
    private var beams: [Beam]
    private var results: [Hypothesis]
    private var random: RandomStream
    private var isComplete = false

    init(_ plan: GroupPlan, vocabSize: Int) throws {
        self.plan = plan
        numBeams = plan.config.numBeams
        numCandidates = max(2, 1 + plan.config.eosTokenId.count) * numBeams
        guard numCandidates <= numBeams * vocabSize else {
            throw GenerationError.vocabularyTooSmall(vocabSize: numBeams * vocabSize, candidates: numCandidates)
        }
        let context = TokenContext(promptTokenIds: plan.promptTokenIds)
        // All beams start equal, so only the first may win the first step.
        beams = (0..<numBeams).map { Beam(context: context, score: $0 == 0 ? 0 : Self.impossible) }
        results = Array(repeating: Hypothesis(tokenIds: [], score: Self.impossible), count: numBeams)
        random = RandomStream(seed: plan.seed)
    }

    mutating func advance(
        _ logits: LogitsRows,
        elapsedSeconds: Double,
        events: inout [GenerationEvent]
    ) throws -> [Continuation] {
        for row in 0..<logits.count {
            guard ScoreRow.logSoftmax(logits[row]) else {
                throw GenerationError.noCandidateToken(
                    prompt: plan.promptIndex,
                    position: beams[row].context.generatedLength
                )
            }
            plan.processors.process(logits[row], context: beams[row].context)
        }
        let isShared = logits.count == 1
        var candidates = rank(logits, isShared: isShared)
        for index in candidates.indices {
            candidates[index].reason = plan.criteria.reason(
                appending: candidates[index].tokenId,
                to: beams[candidates[index].beam].context,
                elapsedSeconds: elapsedSeconds
            )
        }
        let length = beams[0].context.generatedLength + 1
        collect(candidates, length: length)
        let parents = extend(candidates)

        isComplete =
            !canImprove(length: length)
            || (plan.config.earlyStopping == .enabled && isFull)
            || candidates.allSatisfy { $0.reason != nil }
        if isComplete {
            report(events: &events, unfinished: .length)
            return []
        }
        return zip(parents, beams).map { parent, beam in
            Continuation(row: isShared ? 0 : parent, tokenId: beam.context.tokenIds[beam.context.tokenIds.count - 1])
        }
    }

    mutating func cancel(events: inout [GenerationEvent]) {
        guard !isComplete else { return }
        isComplete = true
        // Places nobody has won go to the best beams as they stand.
        let length = max(1, beams[0].context.generatedLength)
        results += beams.filter { $0.score > Self.impossible / 2 }.map {
            Hypothesis(
                tokenIds: $0.context.generatedTokenIds,
                score: normalised($0.score, length: length),
                reason: .cancelled
            )
        }
        results = Self.best(numBeams, of: results, by: \.score)
        report(events: &events, unfinished: .cancelled)
    }

    // MARK: - One step

    /// The K candidates of this step: the best, best first, or drawn, in order of drawing.
    private mutating func rank(_ logits: LogitsRows, isShared: Bool) -> [Candidate] {
        let vocabSize = logits.vocabSize
        var top = TopCandidates(capacity: numCandidates)
        for (index, beam) in beams.enumerated() {
            let row = UnsafeBufferPointer(logits[isShared ? 0 : index])
            if plan.config.doSample {
                draw(row, score: beam.score, firstIndex: index * vocabSize, into: &top)
            } else {
                top.insert(row: row, adding: beam.score, firstIndex: index * vocabSize)
            }
        }
        return top.sorted.map { found in
            let (beam, tokenId) = found.index.quotientAndRemainder(dividingBy: vocabSize)
            return Candidate(
                beam: beam,
                tokenId: tokenId,
                score: logits[isShared ? 0 : beam][tokenId] + beams[beam].score
            )
        }
    }

    /// Offers each continuation by its score plus Gumbel noise: the K largest sums are a draw of K without replacement
    /// from the softmax of the scores, in order.
    private mutating func draw(
        _ row: UnsafeBufferPointer<Float>,
        score: Float,
        firstIndex: Int,
        into top: inout TopCandidates
    ) {
        for (tokenId, logProb) in row.enumerated() {
            // Excluded tokens only fill up when there are not enough others.
            guard logProb > -.infinity || top.heap.count < top.capacity else { continue }
            var key = Double(logProb + score)
            if logProb > -.infinity {
                key -= ScalarMath.log(-ScalarMath.log(random.openUniform()))
            }
            top.insert(score: key, index: firstIndex + tokenId)
        }
    }

    /// Lets the candidates that end compete for the places of the result.
    private mutating func collect(_ candidates: [Candidate], length: Int) {
        var contenders = results
        for (rank, candidate) in candidates.enumerated() {
            let mayEnd = candidate.reason != nil && rank < numBeams
            var score = normalised(candidate.score, length: length)
            if !mayEnd {
                score += Self.impossible
            }
            contenders.append(
                Hypothesis(
                    tokenIds: mayEnd
                        ? beams[candidate.beam].context.generatedTokenIds + [candidate.tokenId] : [],
                    score: score,
                    reason: mayEnd ? candidate.reason : nil
                )
            )
        }
        results = Self.best(numBeams, of: contenders, by: \.score)
    }

    /// Makes the best candidates that go on the next beams, and returns the beam each came from.
    private mutating func extend(_ candidates: [Candidate]) -> [Int] {
        let running = candidates.map { candidate in
            var candidate = candidate
            if candidate.reason != nil {
                candidate.score += Self.impossible
            }
            return candidate
        }
        let next = Self.best(numBeams, of: running, by: \.score)
        beams = next.map { candidate in
            var context = beams[candidate.beam].context
            context.tokenIds.append(candidate.tokenId)
            return Beam(context: context, score: candidate.score)
        }
        return next.map(\.beam)
    }

    /// Whether the best beam could still beat the worst result.
    private func canImprove(length: Int) -> Bool {
        let config = plan.config
        let hopes = config.earlyStopping == .never && config.lengthPenalty > 0
        let reachable = normalised(beams[0].score, length: hopes ? plan.criteria.maxNewTokens : length)
        let worst = results.map(\.score).min() ?? Self.impossible
        return results.contains { reachable > ($0.reason == nil ? Self.impossible : worst) }
    }

    private var isFull: Bool { results.allSatisfy { $0.reason != nil } }

    private func normalised(_ score: Float, length: Int) -> Float {
        score / Float(ScalarMath.power(Double(length), plan.config.lengthPenalty))
    }

    /// The `count` elements of highest score, best first; of equal ones the earlier.
    private static func best<Element>(_ count: Int, of elements: [Element], by score: (Element) -> Float) -> [Element] {
        var top = TopCandidates(capacity: count)
        for (index, element) in elements.enumerated() {
            top.insert(score: Double(score(element)), index: index)
        }
        return top.sorted.map { elements[$0.index] }
    }

    private func report(events: inout [GenerationEvent], unfinished: StopReason) {
        for (index, result) in results.prefix(plan.config.numReturnSequences).enumerated() {
            events.append(
                .finished(
                    GenerationResult(
                        promptIndex: plan.promptIndex,
                        returnIndex: index,
                        tokenIds: result.tokenIds,
                        score: result.score,
                        stopReason: result.reason ?? unfinished
                    )
                )
            )
        }
    }
}
