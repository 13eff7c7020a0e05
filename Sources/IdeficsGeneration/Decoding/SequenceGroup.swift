// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The sequences of one request as they grow: samples or beams.
///
/// A group knows nothing of the session or of other groups. Each step it is given the logits of its rows and says with
/// which token which row continues.
protocol SequenceGroup {
    /// Chooses the next tokens.
    ///
    /// - Parameters:
    ///   - logits: The logits of the group's rows, to be used up: one row at the first step, then one for each
    ///     continuation of the step before.
    ///   - elapsedSeconds: Time since the request began.
    ///   - events: Takes what happened.
    /// - Returns: The rows of the next step; empty when the group is complete.
    /// - Throws: ``GenerationError/noCandidateToken(prompt:position:)``.
    mutating func advance(
        _ logits: LogitsRows,
        elapsedSeconds: Double,
        events: inout [GenerationEvent]
    ) throws -> [Continuation]

    /// Ends whatever is still running.
    mutating func cancel(events: inout [GenerationEvent])
}

/// A row of the next step: an old row of the same group with one more token.
struct Continuation: Equatable {
    var row: Int
    var tokenId: Int
}

/// Rows of logits that may be overwritten.
struct LogitsRows {
    let values: UnsafeMutableBufferPointer<Float>
    let vocabSize: Int

    var count: Int { values.count / vocabSize }

    subscript(row: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: values[row * vocabSize..<(row + 1) * vocabSize])
    }
}

/// What every group needs to know of its request.
struct GroupPlan {
    let promptIndex: Int
    let promptTokenIds: [Int]
    let config: GenerationConfig
    let reportsLogProbs: Bool
    let processors: LogitsProcessorList
    let criteria: StoppingCriteria
    let seed: UInt64

    /// Checks a request against the model and settles its limits.
    init(_ request: GenerationRequest, promptIndex: Int, vocabSize: Int, decode: (([Int]) -> String)?) throws {
        let config = request.config
        try config.validate()
        let fill = config.fillTokenId.map { [$0] } ?? []
        for (option, ids) in [
            ("bad_words_ids", Array(config.badWordsIds.joined())), ("eos_token_id", config.eosTokenId),
            ("pad_token_id", fill),
        ] {
            guard let unknown = ids.first(where: { !(0..<vocabSize ~= $0) }) else { continue }
            throw GenerationError.tokenIdOutOfVocabulary(option: option, tokenId: unknown, vocabSize: vocabSize)
        }
        var matcher: StopStringMatcher?
        if !config.stopStrings.isEmpty {
            guard let decode else { throw GenerationError.stopStringsNeedDecoder }
            matcher = StopStringMatcher(stopStrings: config.stopStrings, decode: decode)
        }
        self.promptIndex = promptIndex
        promptTokenIds = request.promptTokenIds
        self.config = config
        reportsLogProbs = request.reportsLogProbs
        processors = LogitsProcessorList(config: config, additional: request.logitsProcessors)
        criteria = StoppingCriteria(
            eosTokenId: config.eosTokenId,
            maxNewTokens: try request.maxNewTokens(promptIndex: promptIndex),
            maxTime: config.maxTime,
            stopStrings: matcher
        )
        seed = config.seed ?? UInt64.random(in: .min ... .max)
    }
}
