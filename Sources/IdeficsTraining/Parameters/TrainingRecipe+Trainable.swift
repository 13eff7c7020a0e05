// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Foundation

extension TrainingRecipe {
    /// What the recipe trains of the model in `directory`: adapters where it has a section `lora`, otherwise parameters of
    /// the model itself.
    ///
    /// - Parameters:
    ///   - directory: the model.
    ///   - adapter: where `lora.adapter` is; nil without it.
    /// - Returns: what the trainer is to train.
    /// - Throws: what reading the model throws; `TrainingError.config` when the recipe asks for both.
    public func trainable(of directory: URL, adapter: URL? = nil) throws -> any TrainableParameters {
        guard let lora else { return try FullParameters(directory: directory, patterns: parameters) }
        guard parameters == ParameterConfig() else {
            throw TrainingError.config(
                key: "parameters",
                reason: "with adapters the model itself is frozen; modules trained in full are lora.modulesToSave"
            )
        }
        if let adapter { return try LoRAParameters(directory: directory, continuing: adapter) }
        return try LoRAParameters(directory: directory, lora: lora.config(model: model))
    }
}
