// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Runs a decoding session until every request is answered.
///
/// Call ``next()`` until it returns nil, or ``run(onEvent:)``. Tokens are handed out before the model is run for the one
/// after them, so a caller can show them at once. Requests may differ in everything (greedy beside beams); the result
/// of each is what it would be alone. Rows of finished sequences leave the session at once.
///
/// Not safe for concurrent use: it belongs to whoever owns the session.
public final class Generator {
    private let session: any DecodingSession
    private let vocabSize: Int
    private let isCancelled: () -> Bool
    private let elapsedSeconds: () -> Double
    private var groups: [(group: any SequenceGroup, rowCount: Int)] = []
    private var logits: [Float]
    private var continuations: [Continuation] = []

    /// The sequences completed so far, in order of request and returned sequence once generation is over.
    public private(set) var results: [GenerationResult] = []

    /// Prepares the generation; the first call of ``next()`` uses `promptLogits`.
    ///
    /// - Parameters:
    ///   - session: One row for each request, its prompt already in the cache. Afterwards it holds the rows of the last
    ///     step, without the tokens that step chose.
    ///   - requests: What to generate.
    ///   - promptLogits: The logits after each prompt, row-major `[requests.count, vocabSize]`.
    ///   - decode: Turns token ids into text, special tokens included; needed for stop strings.
    ///   - isCancelled: Asked before each step; true ends all sequences as they stand.
    ///   - elapsedSeconds: Time since the requests began, for `max_time`; by default since this call.
    /// - Throws: ``GenerationError`` for options that make no sense for this model.
    public init(
        session: any DecodingSession,
        requests: [GenerationRequest],
        promptLogits: [Float],
        decode: (([Int]) -> String)? = nil,
        isCancelled: @escaping () -> Bool = { false },
        elapsedSeconds: (() -> Double)? = nil
    ) throws {
        let vocabSize = session.vocabSize
        guard session.sequenceCount == requests.count else {
            throw GenerationError.sequenceCount(expected: requests.count, found: session.sequenceCount)
        }
        let (expected, overflow) = requests.count.multipliedReportingOverflow(by: vocabSize)
        guard vocabSize > 0, !overflow, promptLogits.count == expected else {
            throw GenerationError.logitsCount(expected: expected, found: promptLogits.count)
        }
        let start = ContinuousClock.now
        self.session = session
        self.vocabSize = vocabSize
        self.isCancelled = isCancelled
        self.elapsedSeconds = elapsedSeconds ?? { (ContinuousClock.now - start) / .seconds(1) }
        logits = promptLogits
        for (index, request) in requests.enumerated() {
            let plan = try GroupPlan(request, promptIndex: index, vocabSize: vocabSize, decode: decode)
            let group: any SequenceGroup =
                request.config.numBeams > 1 ? try BeamGroup(plan, vocabSize: vocabSize) : SampleGroup(plan)
            groups.append((group, 1))
        }
    }

    /// Takes one step: at most one token for each sequence.
    ///
    /// - Returns: What happened (perhaps nothing, with beams), or nil when every sequence is complete.
    /// - Throws: What the session throws, or ``GenerationError/noCandidateToken(prompt:position:)``.
    public func next() throws -> [GenerationEvent]? {
        guard !groups.isEmpty else { return nil }
        var events: [GenerationEvent] = []
        if isCancelled() {
            for index in groups.indices {
                groups[index].group.cancel(events: &events)
            }
            groups = []
        } else {
            do {
                if !continuations.isEmpty {
                    try runModel()
                }
                try advance(events: &events)
            } catch {
                // There is no way on from a step half taken.
                groups = []
                throw error
            }
        }
        for case .finished(let result) in events {
            results.append(result)
        }
        if groups.isEmpty {
            results.sort { ($0.promptIndex, $0.returnIndex) < ($1.promptIndex, $1.returnIndex) }
        }
        return events
    }

    /// Takes all steps.
    ///
    /// - Parameter onEvent: Called with each event as it happens.
    /// - Returns: The completed sequences, in order of request and returned sequence.
    /// - Throws: What ``next()`` throws.
    @discardableResult
    public func run(onEvent: (GenerationEvent) -> Void = { _ in }) throws -> [GenerationResult] {
        while let events = try next() {
            for event in events {
                onEvent(event)
            }
        }
        return results
    }

    /// Runs the session for the tokens chosen last.
    private func runModel() throws {
        let rows = continuations.map(\.row)
        if !rows.elementsEqual(0..<session.sequenceCount) {
            session.select(rows: rows)
        }
        logits = try session.step(tokenIds: continuations.map(\.tokenId))
        guard logits.count == rows.count * vocabSize else {
            throw GenerationError.logitsCount(expected: rows.count * vocabSize, found: logits.count)
        }
    }

    /// Gives each group its rows and collects how they go on.
    private func advance(events: inout [GenerationEvent]) throws {
        let elapsed = elapsedSeconds()
        continuations = []
        var firstRow = 0
        var remaining: [(group: any SequenceGroup, rowCount: Int)] = []
        for index in groups.indices {
            let rowCount = groups[index].rowCount
            // SAFETY: the groups' row counts add up to the rows in `logits` (checked when they were made), and the
            // pointer does not leave the closure.
            let next = try logits.withUnsafeMutableBufferPointer { buffer in
                let slice = buffer[firstRow * vocabSize..<(firstRow + rowCount) * vocabSize]
                let rows = LogitsRows(values: UnsafeMutableBufferPointer(rebasing: slice), vocabSize: vocabSize)
                return try groups[index].group.advance(rows, elapsedSeconds: elapsed, events: &events)
            }
            continuations += next.map { Continuation(row: firstRow + $0.row, tokenId: $0.tokenId) }
            if !next.isEmpty {
                remaining.append((groups[index].group, next.count))
            }
            firstRow += rowCount
        }
        groups = remaining
    }
}
