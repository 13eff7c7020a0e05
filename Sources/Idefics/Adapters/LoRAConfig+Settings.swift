// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

/// Reads or writes the settings of a `LoRAConfig`, one after the other, under the names PEFT gives them.
package protocol LoRASettingsVisitor {
    /// Called with a number, a text or a list.
    mutating func visit<Value: Codable>(_ key: String, _ value: inout Value) throws
    /// Called with a choice of modules, which files write in different ways.
    mutating func visit(_ key: String, _ modules: inout LoRAConfig.Modules?) throws
}

extension LoRAConfig {
    /// Visits all settings that say what the adapters compute: the one list of them.
    package mutating func visit(_ visitor: inout some LoRASettingsVisitor) throws {
        try visitor.visit("r", &r)
        try visitor.visit("lora_alpha", &loraAlpha)
        try visitor.visit("lora_dropout", &loraDropout)
        var target: Modules? = targetModules
        try visitor.visit("target_modules", &target)
        targetModules = target ?? targetModules
        try visitor.visit("exclude_modules", &excludeModules)
        try visitor.visit("use_rslora", &useRslora)
        try visitor.visit("rank_pattern", &rankPattern)
        try visitor.visit("alpha_pattern", &alphaPattern)
        try visitor.visit("modules_to_save", &modulesToSave)
    }

    /// PEFT's names of all settings.
    static let settingNames: Set<String> = {
        struct Names: LoRASettingsVisitor {
            var all: Set<String> = []

            mutating func visit<Value: Codable>(_ key: String, _ value: inout Value) { all.insert(key) }
            mutating func visit(_ key: String, _ modules: inout Modules?) { all.insert(key) }
        }
        var names = Names()
        var config = LoRAConfig(targetModules: .allLinear)
        // Nothing is read that could fail.
        try? config.visit(&names)
        return names.all
    }()
}
