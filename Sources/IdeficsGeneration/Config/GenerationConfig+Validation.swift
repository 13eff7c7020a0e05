// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

extension GenerationConfig {
    /// Most beams, and most returned sequences, that one prompt may ask for.
    public static let maxSequencesPerPrompt = 1024

    /// Checks ranges and combinations that can be judged without a model, as transformers does.
    ///
    /// Options that only sampling reads (temperature, top-k, …) are judged only when `doSample` is set: released
    /// configurations carry values there that nobody uses.
    ///
    /// - Throws: ``GenerationError/invalidOption(name:value:reason:)`` for the first option that makes no sense.
    public func validate() throws {
        try validateLengths()
        try validateStrategy()
        if doSample {
            try validateSampling()
        }
        try validateConstraints()
    }

    private func validateLengths() throws {
        if let maxNewTokens {
            try require(maxNewTokens > 0, "max_new_tokens", maxNewTokens, "must be at least 1")
        }
        if let maxLength {
            try require(maxLength > 0, "max_length", maxLength, "must be at least 1")
        }
        try require(minLength >= 0, "min_length", minLength, "must not be negative")
        if let minNewTokens {
            try require(minNewTokens >= 0, "min_new_tokens", minNewTokens, "must not be negative")
        }
        if let maxTime {
            try require(maxTime >= 0, "max_time", maxTime, "must be a number of seconds, 0 or more")
        }
        for text in stopStrings {
            try require(!text.isEmpty, "stop_strings", "\"\"", "a stop string must not be empty")
        }
    }

    private func validateStrategy() throws {
        let limit = Self.maxSequencesPerPrompt
        try require((1...limit).contains(numBeams), "num_beams", numBeams, "must lie in 1…\(limit)")
        try require(
            (1...limit).contains(numReturnSequences),
            "num_return_sequences",
            numReturnSequences,
            "must lie in 1…\(limit)"
        )
        if numReturnSequences > 1 {
            if numBeams > 1 {
                let reason = "must not be above num_beams (\(numBeams))"
                try require(numReturnSequences <= numBeams, "num_return_sequences", numReturnSequences, reason)
            } else {
                let reason = "greedy search has one result; set do_sample or num_beams"
                try require(doSample, "num_return_sequences", numReturnSequences, reason)
            }
        }
        try require(lengthPenalty.isFinite, "length_penalty", lengthPenalty, "must be a finite number")
    }

    private func validateSampling() throws {
        let divisible = Float(temperature) > 0 && Float(temperature).isFinite
        let reason = "must be above 0; for the most likely token set do_sample to false"
        try require(divisible, "temperature", temperature, reason)
        try require(topK >= 0, "top_k", topK, "must not be negative (0 keeps all tokens)")
        try require(topP > 0 && topP <= 1, "top_p", topP, "must lie in (0, 1]")
        try require(typicalP > 0 && typicalP <= 1, "typical_p", typicalP, "must lie in (0, 1]")
        if let minP {
            try require(minP >= 0 && minP <= 1, "min_p", minP, "must lie in [0, 1]")
        }
    }

    private func validateConstraints() throws {
        let divisible = Float(repetitionPenalty) > 0 && Float(repetitionPenalty).isFinite
        try require(divisible, "repetition_penalty", repetitionPenalty, "must be above 0")
        try require(noRepeatNgramSize >= 0, "no_repeat_ngram_size", noRepeatNgramSize, "must not be negative")
        for word in badWordsIds {
            try require(!word.isEmpty, "bad_words_ids", "[]", "a bad word needs at least one token id")
            try require(word.allSatisfy { $0 >= 0 }, "bad_words_ids", word, "token ids must not be negative")
        }
        for tokenId in eosTokenId {
            try require(tokenId >= 0, "eos_token_id", tokenId, "must not be negative")
        }
        // More would only be repetitions or a mistake, and beam search keeps (1 + entries)·num_beams candidates.
        let limit = Self.maxSequencesPerPrompt
        try require(eosTokenId.count <= limit, "eos_token_id", eosTokenId.count, "at most \(limit) entries")
    }

    private func require(
        _ isFine: Bool,
        _ name: String,
        _ value: @autoclosure () -> some Any,
        _ reason: String
    ) throws {
        guard isFine else { throw GenerationError.invalidOption(name: name, value: "\(value())", reason: reason) }
    }
}
