// Copyright 2026 the idefics-swift authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Idefics
import IdeficsTestSupport
import IdeficsTraining
import Testing

@Suite struct LoRASettingsTests {
    private func recipe(_ lora: String, _ overrides: [String] = []) throws -> TrainingRecipe {
        try TrainingRecipe(yaml: "{model: m, output: o, data: {train: t.jsonl}, lora: \(lora)}", overrides: overrides)
    }

    @Test func namesAreThoseOfPEFT() throws {
        let text = """
            {r: 16, loraAlpha: 32, loraDropout: 0.05, targetModules: [q_proj, k_proj], useRslora: true,
            rankPattern: {down_proj: 4}, alphaPattern: {down_proj: 2}, modulesToSave: [perceiver_resampler]}
            """
        let settings = try #require(try recipe(text).lora)
        let config = settings.config(model: "m")
        #expect(config.r == 16 && config.loraAlpha == 32 && config.loraDropout == 0.05 && config.useRslora)
        #expect(config.targetModules == .names(["q_proj", "k_proj"]))
        #expect(config.rankPattern == ["down_proj": 4] && config.alphaPattern == ["down_proj": 2])
        #expect(config.modulesToSave == ["perceiver_resampler"] && config.baseModelNameOrPath == "m")
        // A recipe is kept with its run.
        let again = try TrainingRecipe(yaml: String(decoding: recipe(text).json, as: UTF8.self))
        #expect(again.lora == settings)
    }

    @Test func keysAreInCamelCase() throws {
        var settings = LoRASettings()
        settings.excludeModules = .pattern("fc.")
        let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(settings))
        let keys = try #require(json as? [String: Any]).keys.sorted()
        #expect(
            keys == [
                "alphaPattern", "excludeModules", "loraAlpha", "loraDropout", "modulesToSave", "r", "rankPattern",
                "targetModules", "useRslora",
            ]
        )
    }

    @Test func targetsAreListsPatternsOrAll() throws {
        #expect(try recipe("{}").lora?.targetModules == .names(["q_proj", "k_proj", "v_proj"]))
        #expect(try recipe("{targetModules: \"fc1,fc2\"}").lora?.targetModules == .names(["fc1", "fc2"]))
        #expect(try recipe("{targetModules: all-linear}").lora?.targetModules == .allLinear)
        #expect(try recipe("{targetModules: '.*\\.fc[12]'}").lora?.targetModules == .pattern(#".*\.fc[12]"#))
        #expect(try recipe("{}", ["lora.r=3"]).lora?.r == 3)
        for text in ["{targetModules: '.*\\.fc[12]', excludeModules: [fc1]}", "{targetModules: all-linear}"] {
            let first = try recipe(text)
            #expect(try TrainingRecipe(yaml: String(decoding: first.json, as: UTF8.self)) == first)
        }
    }

    @Test(arguments: ["{rank: 4}", "{r: many}", "{targetModules: {a: 1}}", "{adapter: a, r: 4}", "[]"])
    func whatMeansNothingIsRefused(text: String) {
        #expect(throws: TrainingError.self) { try recipe(text) }
    }

    @Test func modelAndAdapterAreNotBothTrained() throws {
        let directory = Fixtures.url("f1-resampler-qk")
        let both = try recipe("{}", ["parameters.train=[\"lm_head.*\"]"])
        #expect(throws: TrainingError.self) { try both.trainable(of: directory) }
        #expect(try recipe("{}").trainable(of: directory) is LoRAParameters)
        #expect(throws: IdeficsError.self) { try recipe("{targetModules: q}").trainable(of: directory) }
        let continued = try recipe("{adapter: a}").trainable(of: directory, adapter: Fixtures.url("lora/qkv"))
        #expect((continued as? LoRAParameters)?.lora.r == 4)
    }

    /// The community's QLoRA run of the 9B: 19 750 912 parameters, as its notebook prints.
    @Test func theCommunityRecipeHasItsNumberOfParameters() throws {
        var config = IdeficsConfig()
        config.vocabSize = 32_000
        config.additionalVocabSize = 2
        (config.hiddenSize, config.intermediateSize) = (4096, 11_008)
        (config.numHiddenLayers, config.numAttentionHeads, config.numKeyValueHeads) = (32, 32, 32)
        (config.crossLayerInterval, config.qkLayerNorms, config.useResampler) = (4, true, true)
        (config.visionConfig.embedDim, config.visionConfig.intermediateSize) = (1280, 5120)
        (config.visionConfig.numHiddenLayers, config.visionConfig.numAttentionHeads) = (32, 16)
        (config.perceiverConfig.resamplerDepth, config.perceiverConfig.resamplerNHeads) = (6, 16)
        config.perceiverConfig.resamplerHeadDim = 96
        var lora = LoRAConfig(targetModules: .names(["q_proj", "k_proj", "v_proj"]))
        lora.r = 16
        let layers = try LoRATargets(lora, for: config).layers
        #expect(layers.reduce(0) { $0 + lora.r * ($1.shape[0] + $1.shape[1]) } == 19_750_912)
    }
}
