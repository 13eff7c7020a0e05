// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// The processors of one request, in transformers' order.
///
/// Repetition penalty, n-grams, bad words, minimum length, minimum new tokens, suppressed tokens, processors of the caller;
/// then, for sampling only, temperature, top-k, top-p, min-p and typical-p. Options at their neutral value cost nothing.
public struct LogitsProcessorList: LogitsProcessor {
    private let processors: [any LogitsProcessor]

    /// Whether there is nothing to do.
    public var isEmpty: Bool { processors.isEmpty }

    /// Collects the processors that a configuration asks for.
    ///
    /// - Parameters:
    ///   - config: A valid configuration.
    ///   - additional: The caller's own processors.
    public init(config: GenerationConfig, additional: [any LogitsProcessor] = []) {
        var list: [any LogitsProcessor] = []
        if config.repetitionPenalty != 1 {
            list.append(RepetitionPenaltyLogitsProcessor(penalty: config.repetitionPenalty))
        }
        if config.noRepeatNgramSize > 0 {
            list.append(NoRepeatNGramLogitsProcessor(ngramSize: config.noRepeatNgramSize))
        }
        if !config.badWordsIds.isEmpty {
            list.append(NoBadWordsLogitsProcessor(badWordsIds: config.badWordsIds, eosTokenId: config.eosTokenId))
        }
        if !config.eosTokenId.isEmpty {
            if let minNewTokens = config.minNewTokens {
                list.append(
                    MinNewTokensLengthLogitsProcessor(minNewTokens: minNewTokens, eosTokenId: config.eosTokenId)
                )
            } else if config.minLength > 0 {
                list.append(MinLengthLogitsProcessor(minLength: config.minLength, eosTokenId: config.eosTokenId))
            }
        }
        if !config.suppressTokens.isEmpty {
            list.append(SuppressTokensLogitsProcessor(suppressTokens: config.suppressTokens))
        }
        if !config.beginSuppressTokens.isEmpty {
            list.append(SuppressTokensAtBeginLogitsProcessor(beginSuppressTokens: config.beginSuppressTokens))
        }
        list += additional
        if config.doSample {
            list += Self.warpers(config)
        }
        processors = list
    }

    /// Applies all processors in order.
    public func process(_ scores: UnsafeMutableBufferPointer<Float>, context: TokenContext) {
        for processor in processors {
            processor.process(scores, context: context)
        }
    }

    private static func warpers(_ config: GenerationConfig) -> [any LogitsProcessor] {
        // Beams need a way on even if every end-of-sequence token is among the candidates.
        let minTokensToKeep = config.numBeams > 1 ? max(2, config.eosTokenId.count + 1) : 1
        var list: [any LogitsProcessor] = []
        if config.temperature != 1 {
            list.append(TemperatureLogitsWarper(temperature: config.temperature))
        }
        if config.topK > 0 {
            list.append(TopKLogitsWarper(topK: config.topK, minTokensToKeep: minTokensToKeep))
        }
        if config.topP < 1 {
            list.append(TopPLogitsWarper(topP: config.topP, minTokensToKeep: minTokensToKeep))
        }
        if let minP = config.minP {
            list.append(MinPLogitsWarper(minP: minP, minTokensToKeep: minTokensToKeep))
        }
        if config.typicalP < 1 {
            list.append(TypicalLogitsWarper(mass: config.typicalP, minTokensToKeep: minTokensToKeep))
        }
        return list
    }
}
