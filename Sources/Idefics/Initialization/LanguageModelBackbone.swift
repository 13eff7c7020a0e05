// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import IdeficsCheckpoints
import IdeficsFoundation
import IdeficsTensor
import IdeficsTokenizers

/// A pretrained Llama, whose decoder layers, embedding and head become IDEFICS'.
///
/// Their names are the same in both; only grouped key heads may be repeated to as many as there are query heads.
struct LanguageModelBackbone: Backbone {
    let directory: URL
    let config: LlamaConfig
    let checkpoint: Checkpoint
    let tokenizer: any Tokenizer
    /// Ids at which the model's own `generation_config.json` ends, else its `config.json`.
    let eosTokenIds: [Int]
    /// How often a key head is written: 1, or as often as queries share it.
    let keyValueRepeats: Int

    /// The model in `directory`; with `expandsKeyValueHeads` every query head gets a key head of its own.
    init(directory: URL, expandsKeyValueHeads: Bool) throws {
        self.directory = directory
        config = try decodeJSON(LlamaConfig.self, from: directory.appending(path: "config.json"))
        checkpoint = try Checkpoint(directory: directory)
        tokenizer = try AutoTokenizer.from(directory: directory)
        let generation = directory.appending(path: "generation_config.json")
        let hasGeneration = Files.exists(generation)
        eosTokenIds =
            try (hasGeneration ? decodeJSON(EndTokens.self, from: generation).ids : nil) ?? config.eosTokenIds
        guard config.numKeyValueHeads > 0, config.numAttentionHeads % config.numKeyValueHeads == 0 else {
            throw IdeficsError.config(
                file: directory.appending(path: "config.json").path,
                key: "num_key_value_heads",
                reason: "\(config.numKeyValueHeads) does not divide \(config.numAttentionHeads) heads"
            )
        }
        keyValueRepeats = expandsKeyValueHeads ? config.numAttentionHeads / config.numKeyValueHeads : 1
    }

    private struct EndTokens: Decodable {
        let ids: [Int]?

        init(from decoder: any Decoder) throws {
            ids = try decoder.container(keyedBy: JSONKey.self).oneOrMany("eos_token_id")
        }
    }

    /// Sets what this part decides in an IDEFICS' configuration.
    func configure(_ idefics: inout IdeficsConfig) {
        idefics.vocabSize = config.vocabSize
        idefics.hiddenSize = config.hiddenSize
        idefics.intermediateSize = config.intermediateSize
        idefics.numHiddenLayers = config.numHiddenLayers
        idefics.numAttentionHeads = config.numAttentionHeads
        idefics.numKeyValueHeads = config.numKeyValueHeads * keyValueRepeats
        idefics.rmsNormEps = config.rmsNormEps
        idefics.maxPositionEmbeddings = config.maxPositionEmbeddings
        idefics.ropeTheta = config.ropeTheta
        idefics.tieWordEmbeddings = config.tieWordEmbeddings
    }

    func origin(of name: String, shape: [Int]) -> ParameterOrigin {
        let isKeyOrValue = name.hasSuffix("self_attn.k_proj.weight") || name.hasSuffix("self_attn.v_proj.weight")
        guard isKeyOrValue, keyValueRepeats > 1 else { return ParameterOrigin(name, shape: shape) }
        let heads = config.numKeyValueHeads
        let repeats = keyValueRepeats
        return ParameterOrigin([(name, [shape[0] / repeats, shape[1]])]) { tensors in
            let headDim = tensors[0].shape[0] / heads
            return concatenate(
                (0..<heads).flatMap { head in
                    Array(repeating: tensors[0][head * headDim..<(head + 1) * headDim], count: repeats)
                }
            )
        }
    }

    /// A tied head is sometimes stored all the same.
    func isDispensable(_ name: String) -> Bool {
        config.tieWordEmbeddings && name == "lm_head.weight"
    }
}
