// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

#if canImport(FoundationEssentials)
public import FoundationEssentials
#else
public import Foundation
#endif

extension GenerationConfig: Codable {
    private enum CodingKeys: String, CodingKey {
        case maxLength = "max_length"
        case maxNewTokens = "max_new_tokens"
        case minLength = "min_length"
        case minNewTokens = "min_new_tokens"
        case maxTime = "max_time"
        case stopStrings = "stop_strings"
        case doSample = "do_sample"
        case numBeams = "num_beams"
        case numReturnSequences = "num_return_sequences"
        case earlyStopping = "early_stopping"
        case lengthPenalty = "length_penalty"
        case useCache = "use_cache"
        case seed
        case temperature
        case topK = "top_k"
        case topP = "top_p"
        case minP = "min_p"
        case typicalP = "typical_p"
        case repetitionPenalty = "repetition_penalty"
        case noRepeatNgramSize = "no_repeat_ngram_size"
        case badWordsIds = "bad_words_ids"
        case suppressTokens = "suppress_tokens"
        case beginSuppressTokens = "begin_suppress_tokens"
        case bosTokenId = "bos_token_id"
        case padTokenId = "pad_token_id"
        case eosTokenId = "eos_token_id"
    }

    /// Reads the object; absent and null keys keep their defaults.
    public init(from decoder: any Decoder) throws {
        self.init()
        try merge(decoder)
    }

    /// Reads `generation_config.json`.
    ///
    /// - Parameters:
    ///   - json: The file's bytes.
    ///   - file: The file's name, for error messages.
    /// - Throws: ``GenerationError/invalidJSON(file:reason:)`` or ``GenerationError/invalidField(file:key:reason:)``.
    public init(json: Data, file: String = "generation_config.json") throws {
        self.init()
        try merge(json: json, file: file)
    }

    /// Overrides the options that a JSON object names; the others, and those given as null, stay.
    ///
    /// - Parameters:
    ///   - json: One JSON object with transformers' names.
    ///   - file: Where the object is from, for error messages.
    /// - Throws: ``GenerationError/invalidJSON(file:reason:)`` or ``GenerationError/invalidField(file:key:reason:)``;
    ///   the configuration is then unchanged.
    public mutating func merge(json: Data, file: String) throws {
        var merged = self
        do {
            try JSONReader.read(json, file: file) { try merged.merge($0) }
        } catch let error as JSONError {
            throw error.path.isEmpty
                ? GenerationError.invalidJSON(file: file, reason: error.reasonWithPlace)
                : GenerationError.invalidField(file: file, key: error.path, reason: error.reason)
        }
        self = merged
    }

    /// Writes every option that has a value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(maxLength, forKey: .maxLength)
        try container.encodeIfPresent(maxNewTokens, forKey: .maxNewTokens)
        try container.encode(minLength, forKey: .minLength)
        try container.encodeIfPresent(minNewTokens, forKey: .minNewTokens)
        try container.encodeIfPresent(maxTime, forKey: .maxTime)
        try container.encodeIfPresent(stopStrings.isEmpty ? nil : stopStrings, forKey: .stopStrings)
        try container.encode(doSample, forKey: .doSample)
        try container.encode(numBeams, forKey: .numBeams)
        try container.encode(numReturnSequences, forKey: .numReturnSequences)
        try container.encode(earlyStopping, forKey: .earlyStopping)
        try container.encode(lengthPenalty, forKey: .lengthPenalty)
        try container.encode(useCache, forKey: .useCache)
        try container.encodeIfPresent(seed, forKey: .seed)
        try container.encode(temperature, forKey: .temperature)
        try container.encode(topK, forKey: .topK)
        try container.encode(topP, forKey: .topP)
        try container.encodeIfPresent(minP, forKey: .minP)
        try container.encode(typicalP, forKey: .typicalP)
        try container.encode(repetitionPenalty, forKey: .repetitionPenalty)
        try container.encode(noRepeatNgramSize, forKey: .noRepeatNgramSize)
        try container.encodeIfPresent(badWordsIds.isEmpty ? nil : badWordsIds, forKey: .badWordsIds)
        try container.encodeIfPresent(suppressTokens.isEmpty ? nil : suppressTokens, forKey: .suppressTokens)
        try container.encodeIfPresent(
            beginSuppressTokens.isEmpty ? nil : beginSuppressTokens,
            forKey: .beginSuppressTokens
        )
        try container.encodeIfPresent(bosTokenId, forKey: .bosTokenId)
        try container.encodeIfPresent(padTokenId, forKey: .padTokenId)
        if eosTokenId.count == 1 {
            try container.encode(eosTokenId[0], forKey: .eosTokenId)
        } else if !eosTokenId.isEmpty {
            try container.encode(eosTokenId, forKey: .eosTokenId)
        }
    }

    private mutating func merge(_ decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try container.read(.maxLength, into: &maxLength)
        try container.read(.maxNewTokens, into: &maxNewTokens)
        try container.read(.minLength, into: &minLength)
        try container.read(.minNewTokens, into: &minNewTokens)
        try container.read(.maxTime, into: &maxTime)
        try container.readOneOrMany(.stopStrings, into: &stopStrings)
        try container.read(.doSample, into: &doSample)
        try container.read(.numBeams, into: &numBeams)
        try container.read(.numReturnSequences, into: &numReturnSequences)
        try container.read(.earlyStopping, into: &earlyStopping)
        try container.read(.lengthPenalty, into: &lengthPenalty)
        try container.read(.useCache, into: &useCache)
        try container.read(.seed, into: &seed)
        try container.read(.temperature, into: &temperature)
        try container.read(.topK, into: &topK)
        try container.read(.topP, into: &topP)
        try container.read(.minP, into: &minP)
        try container.read(.typicalP, into: &typicalP)
        try container.read(.repetitionPenalty, into: &repetitionPenalty)
        try container.read(.noRepeatNgramSize, into: &noRepeatNgramSize)
        try container.read(.badWordsIds, into: &badWordsIds)
        try container.read(.suppressTokens, into: &suppressTokens)
        try container.read(.beginSuppressTokens, into: &beginSuppressTokens)
        try container.read(.bosTokenId, into: &bosTokenId)
        try container.read(.padTokenId, into: &padTokenId)
        try container.readOneOrMany(.eosTokenId, into: &eosTokenId)
        for name in try IgnoredOption.names(in: decoder.container(keyedBy: IgnoredOption.self))
        where !ignoredOptions.contains(name) {
            ignoredOptions.append(name)
        }
    }
}

extension KeyedDecodingContainer {
    fileprivate func read<Value: Decodable>(_ key: Key, into value: inout Value) throws {
        if let found = try decodeIfPresent(Value.self, forKey: key) { value = found }
    }

    fileprivate func read<Value: Decodable>(_ key: Key, into value: inout Value?) throws {
        if let found = try decodeIfPresent(Value.self, forKey: key) { value = found }
    }

    fileprivate func readOneOrMany<Value: Decodable>(_ key: Key, into values: inout [Value]) throws {
        if let one = try? decodeIfPresent(Value.self, forKey: key) {
            values = [one]
        } else if let many = try decodeIfPresent([Value].self, forKey: key) {
            values = many
        }
    }
}
