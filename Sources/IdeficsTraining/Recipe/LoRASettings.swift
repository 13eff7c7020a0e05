// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

public import Idefics

/// Trains adapters instead of the model's own parameters; the section `lora` of a recipe, with PEFT's names in camel case.
public struct LoRASettings: Sendable, Equatable, Codable {
    /// An adapter, directory or name on the hub, that is trained further; its own configuration then holds, and no other key
    /// of this section may be given.
    public var adapter: String?
    /// Rank.
    public var r = 8
    /// The update is scaled by this over the rank.
    public var loraAlpha = 8.0
    /// Share of the elements of an adapter's input that are left out.
    public var loraDropout = 0.0
    /// Layers that get adapters: a list of names or last parts of names, a regular expression, or `all-linear`.
    public var targetModules = LoRAConfig.Modules.names(["q_proj", "k_proj", "v_proj"])
    /// Layers that get none all the same.
    public var excludeModules: LoRAConfig.Modules?
    /// Whether alpha is divided by the root of the rank.
    public var useRslora = false
    /// Other ranks for layers by name.
    public var rankPattern: [String: Int] = [:]
    /// Other alphas for layers by name.
    public var alphaPattern: [String: Double] = [:]
    /// Modules that are trained in full, too.
    public var modulesToSave: [String] = []

    /// New adapters, PEFT's defaults, for queries, keys and values.
    public init() {}

    /// Either a list of names or what a user writes.
    private struct Choice: Decodable {
        let modules: LoRAConfig.Modules

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let names = try? value.decode([String].self) {
                modules = .names(names)
            } else {
                modules = LoRAConfig.Modules(try value.decode(String.self))
            }
        }
    }

    /// Reads a section of a recipe.
    public init(from decoder: any Decoder) throws {
        self.init()
        var keys = try StrictKeys(decoder)
        var (target, excluded): (Choice?, Choice?)
        try keys.read("adapter", into: &adapter)
        try keys.read("r", into: &r)
        try keys.read("loraAlpha", into: &loraAlpha)
        try keys.read("loraDropout", into: &loraDropout)
        try keys.read("targetModules", into: &target)
        try keys.read("excludeModules", into: &excluded)
        try keys.read("useRslora", into: &useRslora)
        try keys.read("rankPattern", into: &rankPattern)
        try keys.read("alphaPattern", into: &alphaPattern)
        try keys.read("modulesToSave", into: &modulesToSave)
        try keys.finish()
        if let target { targetModules = target.modules }
        excludeModules = excluded?.modules
        var other = self
        other.adapter = nil
        guard adapter == nil || other == LoRASettings() else {
            throw TrainingError.config(
                key: "lora.adapter",
                reason:
                    "an adapter that is trained further has its own configuration; give no other key of this section"
            )
        }
    }

    /// What the adapter's file says.
    ///
    /// - Parameter model: the model's name, a note for people.
    /// - Returns: the configuration; values are checked when it meets a model.
    public func config(model: String) -> LoRAConfig {
        var config = LoRAConfig(targetModules: targetModules)
        config.r = r
        config.loraAlpha = Float(loraAlpha)
        config.loraDropout = loraDropout
        config.excludeModules = excludeModules
        config.useRslora = useRslora
        config.rankPattern = rankPattern
        config.alphaPattern = alphaPattern.mapValues(Float.init)
        config.modulesToSave = modulesToSave
        config.baseModelNameOrPath = model
        return config
    }
}
