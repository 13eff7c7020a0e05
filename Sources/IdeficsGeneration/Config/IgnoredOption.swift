// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import IdeficsFoundation

/// Options of transformers' `GenerationConfig` that change the text and that this package does not have.
///
/// Not among them are options that change only how fast the text comes (`cache_implementation`,
/// `prompt_lookup_num_tokens` …) or what is returned beside it (`output_scores` …).
enum IgnoredOption: String, CodingKey, CaseIterable {
    case constraints
    case diversityPenalty = "diversity_penalty"
    case dolaLayers = "dola_layers"
    case encoderNoRepeatNgramSize = "encoder_no_repeat_ngram_size"
    case encoderRepetitionPenalty = "encoder_repetition_penalty"
    case epsilonCutoff = "epsilon_cutoff"
    case etaCutoff = "eta_cutoff"
    case exponentialDecayLengthPenalty = "exponential_decay_length_penalty"
    case forceWordsIds = "force_words_ids"
    case forcedBosTokenId = "forced_bos_token_id"
    case forcedEosTokenId = "forced_eos_token_id"
    case guidanceScale = "guidance_scale"
    case numBeamGroups = "num_beam_groups"
    case penaltyAlpha = "penalty_alpha"
    case renormalizeLogits = "renormalize_logits"
    case sequenceBias = "sequence_bias"
    case tokenHealing = "token_healing"
    case topH = "top_h"
    case watermarkingConfig = "watermarking_config"

    /// The number that asks for nothing; null, false, an empty list and an empty object never do.
    private var neutral: Double? {
        switch self {
        case .encoderRepetitionPenalty, .guidanceScale, .numBeamGroups, .topH: 1
        case .diversityPenalty, .encoderNoRepeatNgramSize, .epsilonCutoff, .etaCutoff, .penaltyAlpha: 0
        default: nil
        }
    }

    /// The names of the options that `container` asks for.
    static func names(in container: KeyedDecodingContainer<IgnoredOption>) throws -> [String] {
        try allCases.filter { try $0.isAsked(in: container) }.map(\.rawValue)
    }

    private func isAsked(in container: KeyedDecodingContainer<IgnoredOption>) throws -> Bool {
        guard container.contains(self), try !container.decodeNil(forKey: self) else { return false }
        if let flag = try? container.decode(Bool.self, forKey: self) { return flag }
        if let number = try? container.decode(Double.self, forKey: self) { return number != neutral }
        if let list = try? container.nestedUnkeyedContainer(forKey: self) { return !list.isAtEnd }
        if let object = try? container.nestedContainer(keyedBy: JSONKey.self, forKey: self) {
            return !object.allKeys.isEmpty
        }
        return true
    }
}
