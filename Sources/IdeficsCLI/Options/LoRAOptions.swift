// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation

/// Adapters instead of the model's own parameters: the section `lora` of a recipe.
struct LoRAOptions: ParsableArguments {
    @Flag(
        help: "Train LoRA adapters and leave the model, dense or quantized, as it is; any --lora-… option does so, too."
    )
    var lora = false

    @Option(help: "Rank of the adapters. (default: 8)")
    var loraR: Int?

    @Option(help: "The update is scaled by this over the rank. (default: 8)")
    var loraAlpha: Double?

    @Option(help: "Share of the elements of an adapter's input that are left out, 0 to less than 1. (default: 0)")
    var loraDropout: Double?

    @Option(
        help: """
            Layers with adapters: names or last parts of names with commas between, a regular expression, or all-linear. \
            (default: q_proj,k_proj,v_proj)
            """
    )
    var loraTargetModules: String?

    @Option(help: "Layers without adapters all the same.")
    var loraExcludeModules: String?

    @Flag(help: "Divide alpha by the root of the rank.")
    var useRslora = false

    @Option(
        help: "A module to train in full, too, such as perceiver_resampler or gated_cross_attn_layers (repeatable)."
    )
    var loraModulesToSave: [String] = []

    @Option(help: "LoRA adapter to train further, directory or ORG/NAME; no other --lora-… option then.")
    var adapter: String?

    /// What was given, as keys of a recipe.
    var overrides: [String] {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .withoutEscapingSlashes
            func json(_ value: some Encodable) throws -> String {
                String(decoding: try encoder.encode(value), as: UTF8.self)
            }
            let given: [(String, String?)] = [
                ("r", loraR.map { "\($0)" }), ("loraAlpha", loraAlpha.map { "\($0)" }),
                ("loraDropout", loraDropout.map { "\($0)" }), ("targetModules", try loraTargetModules.map(json)),
                ("excludeModules", try loraExcludeModules.map(json)), ("useRslora", useRslora ? "true" : nil),
                ("modulesToSave", loraModulesToSave.isEmpty ? nil : try json(loraModulesToSave)),
                ("adapter", try adapter.map(json)),
            ]
            let keys = given.compactMap { key, value in value.map { "lora.\(key)=\($0)" } }
            return keys.isEmpty && lora ? ["lora={}"] : keys
        }
    }
}
