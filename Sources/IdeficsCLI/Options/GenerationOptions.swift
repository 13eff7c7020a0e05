// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Idefics
import IdeficsFoundation
import IdeficsGeneration

/// transformers' generation options by their names with dashes; what is not given comes from generation_config.json.
struct GenerationOptions: ParsableArguments {
    @Option(help: "Most tokens to generate; wins over --max-length. (default: 20 if neither is set)")
    var maxNewTokens: Int?

    @Option(help: "Most tokens, prompt included.")
    var maxLength: Int?

    @Option(help: "Tokens, prompt included, before the text may end.")
    var minLength: Int?

    @Option(help: "New tokens before the text may end.")
    var minNewTokens: Int?

    @Option(help: "Seconds after which generation stops.")
    var maxTime: Double?

    @Option(parsing: .unconditionalSingleValue, help: "Text that ends the answer once it appears (repeatable).")
    var stopStrings: [String] = []

    @Flag(inversion: .prefixedNo, help: "Draw tokens at random instead of taking the most likely.")
    var doSample: Bool?

    @Option(help: "Beams of the search; 1 for none.")
    var numBeams: Int?

    @Option(help: "Answers for each prompt.")
    var numReturnSequences: Int?

    @Option(help: "Beam search may stop early: true, false or never.")
    var earlyStopping: String?

    @Option(help: "Exponent of the length that divides a beam's score.")
    var lengthPenalty: Double?

    @Option(help: "Divides the logits before sampling; above 0.")
    var temperature: Double?

    @Option(help: "Most likely tokens kept for sampling; 0 for all.")
    var topK: Int?

    @Option(help: "Probability mass kept for sampling, above 0, at most 1.")
    var topP: Double?

    @Option(help: "Least probability of a kept token as a share of the likeliest, 0 to 1.")
    var minP: Double?

    @Option(help: "Mass of the most typical tokens kept, above 0, at most 1.")
    var typicalP: Double?

    @Option(help: "Factor against tokens that already occur; 1 for none.")
    var repetitionPenalty: Double?

    @Option(help: "Length of token runs that may occur only once; 0 for any.")
    var noRepeatNgramSize: Int?

    @Option(help: "Token sequences that must not occur, as JSON: '[[32000],[32001]]'.")
    var badWordsIds: String?

    @Option(help: "Ids of the tokens that end the text: 2 or 2,32002.")
    var eosTokenId: String?

    @Option(help: "Id of the padding token.")
    var padTokenId: Int?

    @Option(help: "Seed of the random numbers. (default: a new one each time)")
    var seed: UInt64?

    func validate() throws {
        _ = try parsedBadWords()
        _ = try parsedEosTokenIds()
        if let earlyStopping, !["true", "false", "never"].contains(earlyStopping) {
            throw ValidationError("--early-stopping \(earlyStopping): true, false or never")
        }
        do {
            try config(over: GenerationConfig()).validate()
        } catch let error as GenerationError {
            throw ValidationError(error.description)
        }
    }

    /// As `config(over:)`, with the token ids of options checked against the model's vocabulary.
    ///
    /// Those of generation_config.json are left alone: many have a `pad_token_id` of -1.
    ///
    /// - Parameters:
    ///   - base: options of the model.
    ///   - container: the model.
    /// - Returns: options to generate with.
    /// - Throws: `ValidationError` naming the option.
    func config(over base: GenerationConfig, for container: ModelContainer) throws -> GenerationConfig {
        let size = container.config.totalVocabSize
        for (option, ids) in [
            ("--eos-token-id", try parsedEosTokenIds() ?? []),
            ("--bad-words-ids", try parsedBadWords()?.flatMap(\.self) ?? []),
            ("--pad-token-id", padTokenId.map { [$0] } ?? []),
        ] {
            guard let id = ids.first(where: { !(0..<size ~= $0) }) else { continue }
            throw ValidationError("\(option) \(id): the model has \(size) tokens, 0 to \(size - 1)")
        }
        return try config(over: base)
    }

    /// `base` with the given options in place of its own; says what of it does nothing.
    func config(over base: GenerationConfig) throws -> GenerationConfig {
        for name in base.ignoredOptions {
            Terminal.note(
                "warning: generation_config.json asks for \(name), which is not supported and changes nothing here"
            )
        }
        var config = base
        func set<Value>(_ path: WritableKeyPath<GenerationConfig, Value>, _ value: Value?) {
            if let value { config[keyPath: path] = value }
        }
        func set<Value>(_ path: WritableKeyPath<GenerationConfig, Value?>, _ value: Value?) {
            if let value { config[keyPath: path] = value }
        }
        set(\.maxNewTokens, maxNewTokens)
        set(\.maxLength, maxLength)
        set(\.minLength, minLength)
        set(\.minNewTokens, minNewTokens)
        set(\.maxTime, maxTime)
        set(\.stopStrings, stopStrings.isEmpty ? nil : stopStrings.map(PathBytes.repaired))
        set(\.doSample, doSample)
        set(\.numBeams, numBeams)
        set(\.numReturnSequences, numReturnSequences)
        set(\.earlyStopping, earlyStoppingValue)
        set(\.lengthPenalty, lengthPenalty)
        set(\.temperature, temperature)
        set(\.topK, topK)
        set(\.topP, topP)
        set(\.minP, minP)
        set(\.typicalP, typicalP)
        set(\.repetitionPenalty, repetitionPenalty)
        set(\.noRepeatNgramSize, noRepeatNgramSize)
        set(\.badWordsIds, try parsedBadWords())
        set(\.eosTokenId, try parsedEosTokenIds())
        set(\.padTokenId, padTokenId)
        set(\.seed, seed)
        return config
    }

    private var earlyStoppingValue: EarlyStopping? {
        switch earlyStopping {
        case "true": .enabled
        case "never": .never
        case "false": .disabled
        default: nil
        }
    }

    private func parsedBadWords() throws -> [[Int]]? {
        guard let badWordsIds else { return nil }
        do {
            return try JSONReader.decode([[Int]].self, from: Data(badWordsIds.utf8), file: "--bad-words-ids")
        } catch let error as JSONError {
            let place = error.place.isEmpty ? "" : "\(error.place): "
            throw ValidationError(
                "--bad-words-ids \(badWordsIds): a JSON list of lists of ids, such as [[32000],[32001]] "
                    + "(\(place)\(error.reason))"
            )
        }
    }

    private func parsedEosTokenIds() throws -> [Int]? {
        guard let eosTokenId else { return nil }
        let ids = eosTokenId.split(separator: ",").map { Int($0.filter { !$0.isWhitespace }) }
        guard !ids.isEmpty, !ids.contains(nil) else {
            throw ValidationError("--eos-token-id \(eosTokenId): ids separated by commas, such as 2,32002")
        }
        return ids.compactMap { $0 }
    }
}
